//go:build page

package guest

// command is left out of the page's module, which nobody asks for it: a fifth
// of its bytes.
func (g *Guest) command(Request) error { return badRequest("the page's module has no commands") }
