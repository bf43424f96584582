//go:build linux

// Package sharing gives single terminals to people who have no access to the
// server: by a link that looks or types, until it expires or is revoked.
//
//	owner: POST /containers/{id}/shares ─▶ secret, told once, put into a link's fragment
//	guest: POST /shared {secret}        ─▶ ticket for GET /shared/{share}, once, 30 seconds
//	       GET  /shared/{share}         ─▶ the terminal, in that role (package terminal)
//
// The secret is no bearer: it is good for nothing beneath /api but that one POST,
// and the ticket for nothing but that one WebSocket. A share is for one run of
// one process: what is started under the same name later is not shared by it.
//
// meta.db keeps only a hash of the secret, so that shares outlive a restart and
// cannot be read from disk. A fragment is sent to no server and stands in no log.
package sharing
