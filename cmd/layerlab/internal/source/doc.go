// Package source turns the IMAGE of the command line into an opened archive
// and picks the one image that a command needs.
//
//	IMAGE            a path (file or OCI folder), "-" (standard input), or the name of a stored image
//	store:NAME       a stored image, even where a file has the same name
//	docker-daemon:N  refused today
//
//	IMAGE → Open → Source → Pick → number of an image in Source.Report()
//
// Stored images are read from the store's index.json, which is an OCI layout
// and is kept up to date by the server: nothing is locked and nothing waits.
package source
