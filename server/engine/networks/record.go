//go:build linux

package networks

import (
	"encoding/json"
	"net/netip"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Bucket is a bucket of meta.db. The *bolt.Bucket is valid within the call.
type Bucket interface {
	Update(func(*bolt.Bucket) error) error
	View(func(*bolt.Bucket) error) error
}

// Drivers, and the names of the networks that are always there.
const (
	driverBridge = "bridge"
	driverHost   = "host"
	driverNull   = "null"

	nameBridge = "bridge"
	nameHost   = "host"
	nameNone   = "none"
)

// netRecord is a network as meta.db has it; the key is "n/" and its id.
type netRecord struct {
	ID         string
	Name       string
	Driver     string
	Created    time.Time
	Subnet     netip.Prefix // zero for the two without addresses
	Gateway    netip.Addr
	Chosen     bool         // Subnet is its creator's choice
	IPRange    netip.Prefix // zero: all of Subnet
	Internal   bool
	Attachable bool
	Builtin    bool
	Labels     map[string]string
	Options    map[string]string
}

func (r *netRecord) address() netip.Prefix { return netip.PrefixFrom(r.Gateway, r.Subnet.Bits()) }

func (r *netRecord) within() netip.Prefix {
	if r.IPRange.IsValid() {
		return r.IPRange
	}
	return r.Subnet
}

// named says whether containers find one another by name: not in the default
// network, as in Docker.
func (r *netRecord) named() bool { return r.Driver == driverBridge && !r.Builtin }

// memberRecord is a container as far as networks go; the key is "c/" and its id.
type memberRecord struct {
	ID   string
	Name string
	Want wire.ContainerNetwork
	Host string // hostname that its creator chose
	// Joined are the networks that the container is to be in, by id; one that
	// was not there when it was wished for stands under the name it was given.
	Joined map[string]wire.ConnectNetwork
	// Places are the addresses that it has: while it runs, or is about to.
	Places map[string]place
}

// place is a container's address in one network.
type place struct {
	Endpoint  string // id
	Interface string
	Address   netip.Addr
	MAC       string
	Ports     []wire.PublishedPort // that are bound
}

// table is the bucket of networks.
type table struct{ bucket Bucket }

func (t table) put(key string, v any) error {
	value, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return t.bucket.Update(func(b *bolt.Bucket) error { return b.Put([]byte(key), value) })
}

func (t table) delete(keys ...string) error {
	return t.bucket.Update(func(b *bolt.Bucket) error {
		for _, k := range keys {
			if err := b.Delete([]byte(k)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t table) putNet(r netRecord) error       { return t.put("n/"+r.ID, r) }
func (t table) putMember(r memberRecord) error { return t.put("c/"+r.ID, r) }

func (t table) all() (nets []netRecord, members []memberRecord, err error) {
	err = t.bucket.View(func(b *bolt.Bucket) error {
		return b.ForEach(func(key, value []byte) error {
			if key[0] == 'n' {
				var r netRecord
				err := json.Unmarshal(value, &r)
				nets = append(nets, r)
				return err
			}
			var r memberRecord
			err := json.Unmarshal(value, &r)
			members = append(members, r)
			return err
		})
	})
	return nets, members, err
}
