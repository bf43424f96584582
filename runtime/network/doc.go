//go:build linux

// Package network runs one container network: a small process of its own, the
// network's helper, that stands in the network's router namespace and outlives
// the server.
//
//	server ─ Start ─▶ layerlab-runtime network ─ link.Router ─ bridge
//	server ─ Join  ─▶ link.Connect (veth) · publish ports · resolver on 127.0.0.11
//	server ─ Watch ─▶ what happens: a refused name, a container that has gone
//
// The helper holds what cannot outlive a process: the listeners of published
// ports with the connections through them, and the resolvers. What can, the
// namespaces and interfaces, is the kernel's (package link): after kill -9 of
// the helper containers reach one another still, and the next helper takes the
// network over as it is. What a network should be is the server's to decide;
// Join is the same whether the endpoint is new, known or half there.
//
// # Protocol, version 1
//
// A Unix stream socket in RUN, one connection for each operation. The client
// sends one line of JSON, to its first byte the descriptors that it needs are
// attached (SCM_RIGHTS); the helper answers with one line. A watch goes on: the
// helper sends a line for each event. Only the helper's own user is answered.
//
// # Life
//
// A helper ends when nobody watches and nothing is plugged in, and takes the
// network's namespace with it: nothing is left of a server that ended without
// containers. A container that ends is unplugged at once (its pidfd tells),
// whether a server looks or not.
package network
