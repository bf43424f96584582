//go:build linux

// Package receive takes in an archive. What looks like a large file of it gets a
// file of its own, hashed on the way, so that a layer need not be copied to become
// a blob; all else goes to one more file. It knows nothing of images.
//
//	body ─▶ Receive: where do files begin? ─▶ hash ─▶ write ─▶ Archive
//	                                            └▶ a file that is here already is
//	                                               compared and not written
//
// Where files begin is a guess that only decides which bytes go to which file: the
// archive reads the same whatever it says. Who reads the archive says what is a
// layer, and File whether it lies in a file of its own.
package receive
