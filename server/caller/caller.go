// Package caller says on whose behalf a service is called, and by which way in:
//
//	labapi, dockerapi → With(ctx, Caller) → engine → Of(ctx)
//
// There is one owner for now; each record keeps its owner already, so that
// workspaces for a class need no new shape.
package caller

import "context"

// Sole is the owner of everything while there is one user for a server.
const Sole = "owner"

// Caller is who asks.
type Caller struct {
	Owner string // never ""
	// Page says that a page of a browser asks, which any other page may try to
	// make it do: less of the host is open to it than to the socket.
	Page bool
}

type key struct{}

// With returns a context that carries the caller.
func With(ctx context.Context, c Caller) context.Context {
	if c.Owner == "" {
		c.Owner = Sole
	}
	return context.WithValue(ctx, key{}, c)
}

// Of returns the caller of a context. One that says nothing is the sole owner's
// by the narrower way, the page.
func Of(ctx context.Context) Caller {
	if c, ok := ctx.Value(key{}).(Caller); ok {
		return c
	}
	return Caller{Owner: Sole, Page: true}
}
