//go:build linux

// Package serve puts the server together: it opens the data folder, starts the
// services in their order, listens, and ends everything in the reverse order.
//
//	request → id, recovery → access.Guard → echo → labapi, terminal, webui
//	                                             → /healthz /readyz /metrics
//
// It decides nothing that another package could decide; what is here is the
// order of things, and adapters between packages that do not know each other.
package serve
