//go:build linux

package snapshot

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
)

// owner turns the owner of something in an upper into the image's ids: the
// container's range is subtracted. What host root owns was made by overlayfs
// (whiteouts, folders between) or by the server, and is the image's root's.
func (m IDs) owner(path string, uid, gid uint32) (imageUID, imageGID uint32, err error) {
	if m.identity() {
		return uid, gid, nil
	}
	if imageUID, err = m.id("uid", path, m.UIDs, uid); err != nil {
		return 0, 0, err
	}
	if imageGID, err = m.id("gid", path, m.GIDs, gid); err != nil {
		return 0, 0, err
	}
	return imageUID, imageGID, nil
}

func (m IDs) id(what, path string, maps []specs.LinuxIDMapping, host uint32) (uint32, error) {
	if id, ok := toContainer(maps, host); ok {
		return id, nil
	}
	if host == 0 {
		return 0, nil
	}
	return 0, imagecore.NewError(imagecore.ErrInvalid, "owner-outside",
		fmt.Sprintf("%s %d of %s is outside of the container's range: chown it", what, host, strconv.Quote(path)),
		"path", path, "id", strconv.FormatUint(uint64(host), 10))
}

const (
	capXattr    = "security.capability"
	aclXattr    = "system.posix_acl_access"
	aclDefXattr = "system.posix_acl_default"
)

// xattrs reads the extended attributes of something in an upper as the image
// should have them. read gives the value of a name.
func (m IDs) xattrs(path string, names []string, read func(string) ([]byte, error)) ([]imagecore.Xattr, error) {
	var out []imagecore.Xattr
	for _, name := range names {
		if strings.HasPrefix(name, overlayXattr()) {
			continue // overlayfs's own notes about this upper
		}
		value, err := read(name)
		if err != nil {
			return nil, err
		}
		switch name {
		case capXattr:
			value, err = m.capability(path, value)
		case aclXattr, aclDefXattr:
			value, err = m.acl(path, value)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, imagecore.Xattr{Key: name, Value: string(value)})
	}
	return out, nil
}

// Layout of security.capability (linux/capability.h): a little-endian word
// with revision and flags, two pairs of words, and in revision 3 the id of the
// user namespace's root on the host.
const (
	capRevisionMask = 0xff000000
	capRevision2    = 0x02000000
	capRevision3    = 0x03000000
	capSize2        = 20 // bytes
	capSize3        = 24
)

// capability turns revision 3, which setcap within a user namespace writes and
// every copy-up too, into revision 2: the image's root is meant, whatever its
// id on this host.
func (m IDs) capability(path string, value []byte) ([]byte, error) {
	if len(value) != capSize3 || binary.LittleEndian.Uint32(value)&capRevisionMask != capRevision3 {
		return value, nil
	}
	rootid := binary.LittleEndian.Uint32(value[capSize2:])
	id, _, err := m.owner(path, rootid, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", capXattr, err)
	}
	flags := binary.LittleEndian.Uint32(value) &^ capRevisionMask
	if id != 0 { // of a namespace within the container
		out := append([]byte(nil), value...)
		binary.LittleEndian.PutUint32(out[capSize2:], id)
		return out, nil
	}
	out := append([]byte(nil), value[:capSize2]...)
	binary.LittleEndian.PutUint32(out, flags|capRevision2)
	return out, nil
}

// Layout of a POSIX ACL's attribute (linux/posix_acl_xattr.h): a version word,
// then entries of tag, permissions and id.
const (
	aclHeader = 4 // bytes
	aclEntry  = 8
	aclUser   = 0x02
	aclGroup  = 0x08
)

// acl subtracts the container's range from the ids that an ACL names.
func (m IDs) acl(path string, value []byte) ([]byte, error) {
	if len(value) < aclHeader || (len(value)-aclHeader)%aclEntry != 0 {
		return value, nil
	}
	out := append([]byte(nil), value...)
	for e := out[aclHeader:]; len(e) > 0; e = e[aclEntry:] {
		id := binary.LittleEndian.Uint32(e[4:])
		var err error
		switch binary.LittleEndian.Uint16(e) {
		case aclUser:
			id, _, err = m.owner(path, id, 0)
		case aclGroup:
			_, id, err = m.owner(path, 0, id)
		}
		if err != nil {
			return nil, err
		}
		binary.LittleEndian.PutUint32(e[4:], id)
	}
	return out, nil
}

// isWhiteout says whether overlayfs takes a file for a whiteout.
func isWhiteout(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0
}
