// Package caution says where a new container will be otherwise than its creator may
// expect. It is pure, and the same for the page and for the docker command line.
//
//	wire.CreateContainer → OfCreate → wire.Warning
package caution

import "github.com/layerlab/layerlab/server/labapi/wire"

// OfCreate warns of what was asked for and means something else here. plainBinds:
// there are no idmapped mounts, so that folders of the host belong to nobody in
// the container. Codes: privileged-inside, bind-nobody.
func OfCreate(c *wire.CreateContainer, plainBinds bool) []wire.Warning {
	list := []wire.Warning{}
	if c.Security != nil && c.Security.Privileged {
		list = append(list, wire.Warning{
			Code: "privileged-inside", Args: map[string]string{},
			Message: "--privileged gives all capabilities inside the container's own user namespace, never the host's",
		})
	}
	for _, m := range c.Mounts {
		if plainBinds && m.Type == wire.MountBind {
			list = append(list, wire.Warning{
				Code: "bind-nobody", Args: map[string]string{"path": m.Source},
				Message: m.Source + " belongs to nobody in the container, whose root reads there what everybody may read, and writes what everybody may write; a volume is its own",
			})
		}
	}
	return list
}
