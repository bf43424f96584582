// Package folder lays the folder of a container: the layer of mount points
// between image and upper, and files that are durable before a record names them.
//
//	NewFile, Init → Sync → the record
package folder
