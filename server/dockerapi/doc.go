//go:build linux

// Package dockerapi answers the Docker Engine API, so that the docker command
// line drives the same images and containers as the page. It keeps nothing of
// its own but requests under way: what things are and do is the services'.
//
//	docker ─ socket ─▶ version, route ─▶ handler ─▶ Images, Containers, Events
//	                                        └─▶ policy: what is asked for and not served
//	answer ─▶ shaped for the client's version ─▶ docker
//
// Versions 1.22 to that of github.com/moby/moby/api are spoken, with or without
// a prefix such as /v1.41. A route that is not served answers 501 and names
// itself. Error texts are Docker's where the command line or people match on
// them.
package dockerapi
