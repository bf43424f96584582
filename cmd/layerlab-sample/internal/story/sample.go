package story

import (
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layerlab/layerlab/imagecore/pack"
)

const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// shellConfig is what both images run: a shell in the root folder.
func shellConfig() *v1.ImageConfig {
	return &v1.ImageConfig{Env: []string{path}, Cmd: []string{"sh"}, WorkingDir: "/"}
}

// sample is the specification's story. Layer 1 holds the three files of its
// base; layer 2 is its changeset, which adds, modifies and deletes one path
// each; layer 3 has what the example leaves out.
func sample(userland []byte, names []string) []step {
	return []step{
		{
			createdBy: "the user land, one Go program under many names",
			items: rootfs(userland, names, `NAME="layerlab sample"
ID=layerlab-sample
VERSION_ID=1
PRETTY_NAME="layerlab sample 1"
`),
		},
		{
			createdBy: "add etc/my-app-config bin/my-app-binary bin/my-app-tools",
			items: []pack.Item{
				file("etc/my-app-config", 0o644, "greeting = hello from one file\n"),
				file("bin/my-app-binary", 0o755, `#!/bin/sh
# Greets with what its configuration says: one file, or a folder of them.
for f in /etc/my-app-config /etc/my-app.d/*.cfg; do
	if [ -f "$f" ]; then
		echo "$f:"
		cat "$f"
	fi
done
`),
				file("bin/my-app-tools", 0o755, `#!/bin/sh
echo "my-app-tools 1: my-app reads /etc/my-app-config"
`),
			},
		},
		{
			createdBy: "add etc/my-app.d/default.cfg, modify bin/my-app-tools, delete etc/my-app-config",
			items: []pack.Item{
				file("etc/my-app.d/default.cfg", 0o644, "greeting = hello from a folder of files\n"),
				file("bin/my-app-tools", 0o755, `#!/bin/sh
echo "my-app-tools 2: my-app reads every file in /etc/my-app.d"
`),
				whiteout("etc/my-app-config"),
			},
		},
		{
			createdBy: "replace etc/my-app.d by a new folder, with two names of one file in it",
			items: []pack.Item{
				opaque("etc/my-app.d", 0o755),
				file("etc/my-app.d/active.cfg", 0o644, "greeting = hello from a new folder\n"),
				hardlink("etc/my-app.d/site.cfg", "etc/my-app.d/active.cfg"),
			},
		},
		{createdBy: `set PATH, the working folder / and the command ["sh"]`, config: shellConfig()},
	}
}

// other is a second root file system: other names, another os-release, and a
// file that its second layer puts in the place of a folder.
func other(userland []byte) []step {
	few := []string{"cat", "echo", "env", "hostname", "id", "ls", "ps", "sh", "uname"}
	return []step{
		{
			createdBy: "a smaller user land, nine names of the same program",
			items: append(rootfs(userland, few, `NAME="layerlab other"
ID=layerlab-other
VERSION_ID=7
PRETTY_NAME="layerlab other 7"
`), dir("etc/notes", 0o755), file("etc/notes/first", 0o644, "a file in a folder\n")),
		},
		{
			createdBy: "a file in the place of the folder etc/notes",
			items: []pack.Item{
				file("etc/notes", 0o644, "Another root file system on the same kernel: compare\n  cat /etc/os-release\n  uname -r\nwith the sample image.\n"),
			},
		},
		{createdBy: `set PATH, the working folder / and the command ["sh"]`, config: shellConfig()},
	}
}
