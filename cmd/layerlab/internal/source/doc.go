// Package source turns the IMAGE of the command line into an opened archive
// and picks the one image that a command needs.
//
//	IMAGE            a path (file or OCI folder), "-" (standard input), or the name of a stored image
//	store:NAME       a stored image, even where a file has the same name
//	docker-daemon:N  what the engine at DOCKER_HOST saves of the image of that name
//
//	IMAGE → Open → Source → Pick → number of an image in Source.Report()
//
// Which stored image a name means the running server says, through its socket;
// without one the store's index.json does, which the server keeps up to date.
// Blobs are read where they lie, and only where this user may not read them
// the server is asked to save the image. Nothing is locked and nothing waits
// but for the server's answer.
package source
