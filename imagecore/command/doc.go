// Package command is the archive commands of layerlab as pure functions: what
// is asked (Job) and opened archives in, the bytes of standard output out.
//
//	Job + archives → Run → text or JSON, and the answer
//
// The command line runs it natively and, with --sandbox, inside the module:
// that the two print the same bytes follows from there being one of it. It
// opens no file and knows no terminal; flags, spooling and output files are
// cmd/layerlab's.
package command
