// Package labapi is the lab's own HTTP API, /api/v1: the routes that the page
// and programs use. It turns requests into calls of the services in Deps and
// their answers into JSON (package wire); it decides nothing about images,
// containers or access. openapi.yaml describes the routes, and a test holds it
// against them.
//
//	echo → Handler → Deps → wire JSON
//	               └ error → ErrorHandler → wire.Error
package labapi
