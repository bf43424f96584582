// Package proxy carries bytes between a published port and the container
// behind it: a TCP connection for a TCP connection, a UDP socket for each peer.
//
//	client ─▶ listener (host) ─ accept ─▶ dial (router's namespace) ─▶ container
//
// It opens no listener and knows no namespaces: the caller hands both ends over.
// Each direction ends by itself: a client that has no more to say may still
// listen (half-close).
package proxy
