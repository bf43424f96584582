// Package access decides who may ask the server for what. It stands before all
// handlers and knows none of them.
//
//	request → Host, Origin, Sec-Fetch-Site → /api: bearer or ticket → handler
//
// What it defends against: any page that the user's browser shows may send
// requests to 127.0.0.1, and a container's published port is such a page with
// the very same site.
//
//	a foreign name that resolves to 127.0.0.1   Host must be a loopback name or allowed
//	(DNS rebinding)
//	a form, image or fetch of a foreign page    Origin must be our own, Sec-Fetch-Site
//	(CVE-2023-0957's kind, WebSockets too)      must be same-origin or none
//	a page on another port of 127.0.0.1         the same; and no cookie authenticates, for
//	                                            cookies ignore ports
//	a link that works on being followed         no GET changes anything
//	a log or history that shows an address      codes and tickets work once; a ticket for
//	                                            30 seconds and one path
//
// # Who is let in
//
// The token is the master key: programs send it as Authorization: Bearer. The
// page exchanges the one-time code of the address that the server prints for a
// session secret, which it keeps in storage of its own origin and sends in the
// same header. meta.db keeps only a keyed hash of the secret, so sessions
// outlive a restart, end when the token changes, and can't be read from disk.
//
// The secret of a shared terminal's link is no bearer: POST /api/v1/shared takes
// it and answers with a ticket for that terminal, and nothing else does.
//
// WebSockets, server-sent events and downloads, which can't send headers, use
// tickets: random, for one exact path and query, once, within 30 seconds.
package access
