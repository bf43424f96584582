package story

import (
	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/pack"
	"github.com/layerlab/layerlab/imagecore/tree"
)

func dir(path string, mode uint32) pack.Item {
	return pack.Item{Path: path, Kind: imagecore.Dir, Attr: tree.Attr{Mode: mode}}
}

func file(path string, mode uint32, content string) pack.Item {
	b := []byte(content)
	return pack.Item{Path: path, Kind: imagecore.File, Attr: tree.Attr{Mode: mode}, Size: int64(len(b)), Open: opener(b)}
}

func symlink(path, target string) pack.Item {
	return pack.Item{Path: path, Kind: imagecore.Symlink, Link: target, Attr: tree.Attr{Mode: 0o777}}
}

func hardlink(path, target string) pack.Item {
	return pack.Item{Path: path, Kind: imagecore.Hardlink, Link: target}
}

func whiteout(path string) pack.Item {
	return pack.Item{Path: path, Kind: imagecore.Whiteout}
}

// opaque is a folder that shows nothing of the layers below.
func opaque(path string, mode uint32) pack.Item {
	d := dir(path, mode)
	d.Opaque = true
	return d
}

// rootfs is what any root file system needs: the user land under names,
// accounts, and the folders that a container mounts on.
func rootfs(userland []byte, names []string, release string) []pack.Item {
	items := []pack.Item{
		dir("bin", 0o755), dir("dev", 0o755), dir("etc", 0o755), dir("home", 0o755), dir("proc", 0o555),
		dir("root", 0o700), dir("sys", 0o555), dir("tmp", 0o1777), dir("var", 0o755), dir("var/tmp", 0o1777),
		{
			Path: "bin/userland", Kind: imagecore.File, Attr: tree.Attr{Mode: 0o755},
			Size: int64(len(userland)), Open: opener(userland),
		},
		file("etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\nlab:x:1000:1000:a user without rights:/home/lab:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
		file("etc/group", 0o644, "root:x:0:\nlab:x:1000:\nnogroup:x:65534:\n"),
		file("etc/os-release", 0o644, release),
	}
	home := dir("home/lab", 0o755)
	home.UID, home.GID = 1000, 1000
	items = append(items, home)
	for _, name := range names {
		items = append(items, symlink("bin/"+name, "userland"))
	}
	return items
}
