//go:build page

package guest

// read is left out of the page's module, as command is.
func (g *Guest) read(Request) error { return badRequest("the page's module only surveys") }
