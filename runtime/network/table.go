//go:build linux

package network

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/layerlab/layerlab/runtime/network/names"
)

// table is the names that the network's resolvers know.
type table struct {
	network Network

	mu    sync.RWMutex
	zones Names
}

func newTable(n Network) *table { return &table{network: n} }

// set replaces all names.
func (t *table) set(zones Names) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.zones = zones
}

// view is what one container's resolver sees of the table.
type view struct {
	*table
	zones []string
	turn  *turn
}

// turn counts, so that containers which share a name take turns.
type turn struct {
	mu sync.Mutex
	n  int
}

func (t *turn) next() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n++
	return t.n
}

// Addresses implements names.Table.
func (v view) Addresses(name string) []netip.Addr {
	v.table.mu.RLock()
	defer v.table.mu.RUnlock()
	for _, zone := range v.zones {
		if list := v.table.zones[zone].Forward[name]; len(list) > 0 {
			first := v.turn.next() % len(list)
			return append(append(make([]netip.Addr, 0, len(list)), list[first:]...), list[:first]...)
		}
	}
	return nil
}

// Name implements names.Table.
func (v view) Name(a netip.Addr) (name string, ours bool) {
	v.table.mu.RLock()
	defer v.table.mu.RUnlock()
	for _, zone := range v.zones {
		if name := v.table.zones[zone].Reverse[a]; name != "" {
			return name, true
		}
	}
	return "", v.network.Address.Contains(a)
}

// untoldFor is how long a container's same question is not told again.
const untoldFor = 10 * time.Second

// resolver makes the resolver of an endpoint.
func (h *helper) resolver(e Endpoint) *names.Resolver {
	r := &names.Resolver{
		Table:   view{table: h.table, zones: e.Resolve.Zones, turn: &turn{}},
		Refused: h.tellOnce(e),
	}
	r.Out = func() bool {
		out, _ := h.way()
		return out
	}
	r.Forward = func(ctx context.Context, query []byte, tcp bool) ([]byte, error) {
		servers := e.Resolve.Servers
		if len(servers) == 0 {
			_, servers = h.way()
		}
		return names.Ask(ctx, servers, query, tcp, h.host.Dial)
	}
	return r
}

// way says whether there is a way out, and who is asked for the world's names.
func (h *helper) way() (bool, []netip.AddrPort) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.network.Out, h.network.Servers
}

// setWay changes that for all resolvers.
func (h *helper) setWay(out bool, servers []netip.AddrPort) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.network.Out, h.network.Servers = out, servers
}

// tellOnce tells which names a container was refused, each once in a while.
func (h *helper) tellOnce(e Endpoint) func(name string) {
	var mu sync.Mutex
	told := map[string]time.Time{}
	return func(name string) {
		now := time.Now()
		mu.Lock()
		for n, at := range told {
			if now.Sub(at) > untoldFor {
				delete(told, n)
			}
		}
		_, known := told[name]
		if !known && len(told) < untold {
			told[name] = now
		}
		full := len(told) >= untold
		mu.Unlock()
		if !known && !full {
			h.tell(Event{Kind: EventRefused, Endpoint: e.ID, Container: e.Container, Name: name})
		}
	}
}
