package lens

import (
	"path"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// maxScoped is how many links the engines' own walks follow.
const maxScoped = 255

// lookup is lstat of a path whose folders have no links in them any more.
func (f *fs) lookup(p string) (*Inode, errno) { return f.lstat(p) }

// rootPath follows all links of a path within the root, as containerd does
// (continuity/fs RootPath): from the left, but starting anew with each link,
// so that ".." behind a link to a link is taken lexically. What is missing
// counts as no link; what lies beneath a file is enotdir.
func (f *fs) rootPath(p string) (string, errno) {
	if p == "" {
		return "/", ok
	}
	if p, near := f.plain(p); near {
		return "/" + p, ok
	}
	links := 0
	for {
		before := links
		next, err := f.unlinkPath(p, &links)
		if err != ok {
			return "", err
		}
		p = next
		if links == before {
			next = path.Join("/", next)
			if p == next {
				return next, ok
			}
			p = next
		}
	}
}

// unlinkPath resolves the folders of a path by one link each, then its last
// component.
func (f *fs) unlinkPath(p string, links *int) (string, errno) {
	if p == "/" {
		return p, ok
	}
	if strings.HasSuffix(p, "/") {
		return f.unlinkPath(p[:len(p)-1], links)
	}
	i := strings.LastIndexByte(p, '/') + 1
	dir, err := "", ok
	if i > 0 {
		if dir, err = f.unlinkPath(p[:i], links); err != ok {
			return "", err
		}
	}
	target, isLink, err := f.readLink(path.Join(dir, p[i:]), links)
	if err != ok || !isLink || strings.HasPrefix(target, "/") || i == 0 {
		return target, err
	}
	return path.Join(dir, target), ok
}

// readLink follows a cleaned path by the link that stands there.
func (f *fs) readLink(p string, links *int) (target string, isLink bool, err errno) {
	if *links > maxScoped {
		return "", false, "too many links"
	}
	if !strings.HasPrefix(p, "/") {
		p = path.Join("/", p)
	}
	if p == "/" {
		return p, false, ok
	}
	*f.steps -= len(p) / bytesPerStep
	in, err := f.lookup(p)
	switch {
	case err == enoent:
		return p, false, ok
	case err != ok:
		return "", false, err
	case in.Kind != imagecore.Symlink:
		return p, false, ok
	}
	*links++
	return in.target, true, ok
}

// secureJoin follows all links of a path within the root, as umoci does
// (filepath-securejoin): what is missing, or lies beneath a file, counts as no
// link.
func (f *fs) secureJoin(p string) (string, errno) {
	if p, near := f.plain(p); near {
		return "/" + p, ok
	}
	at, links := "", 0
	for p != "" {
		if links > maxScoped {
			return "", eloop
		}
		name, rest, _ := strings.Cut(p, "/")
		p = rest
		clean := path.Clean("/" + at + name)
		if clean == "/" {
			at = ""
			continue
		}
		*f.steps -= len(clean) / bytesPerStep
		in, err := f.lookup(clean)
		if err != ok && err != enoent && err != enotdir {
			return "", err
		}
		if err != ok || in.Kind != imagecore.Symlink {
			at += name + "/"
			continue
		}
		links++
		if strings.HasPrefix(in.target, "/") {
			at = ""
		}
		p = in.target + "/" + p
		*f.steps -= len(p) / bytesPerStep
	}
	return path.Clean("/" + at), ok
}
