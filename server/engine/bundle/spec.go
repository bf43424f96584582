package bundle

import (
	"path"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Request is what the creator of a container asked for. Empty fields take the
// image's config.
type Request struct {
	ID         string   // 64 hexadecimal digits
	Command    []string // replaces the image's Cmd
	Entrypoint []string // replaces the image's Entrypoint and drops its Cmd; [""] means none
	Env        []string // "KEY=value", or "KEY" to take KEY away
	WorkingDir string   // absolute
	User       string   // name, uid, name:group or uid:gid
	Hostname   string   // default: the first 12 digits of ID
	TTY        bool
	Cols, Rows uint16 // of the terminal, in characters; 0: unknown
	Domainname string
	// Mounts name their sources as paths on the host, volumes' too.
	Mounts   []wire.MountSpec
	Limits   wire.Limits // checked by CheckLimits
	Security wire.Security
	Init     bool
}

// Host is what the spec takes from the machine that the container runs on.
type Host struct {
	Folder   string              // of the container, absolute: hosts, hostname and resolv.conf lie in it
	Cgroup   string              // path of the container's cgroup, "/layerlab/ID"
	IDs      uint32              // first of Size host ids that the container has for its own
	Seccomp  *specs.LinuxSeccomp // nil: none
	Teaching bool                // no_new_privs, and limits where the request has none
	Caps     []string            // capabilities that there are on this host
	Init     string              // path of the program for Request.Init
	// Device tells the numbers of a device by its path.
	Device func(path string) (kind string, major, minor int64, err error)
}

// IDCount is the number of user and group ids in a container.
const IDCount = 65536

// Spec returns the config.json of a container. Errors are *imagecore.Error
// with the codes no-command, bad-working-dir, bad-env, bad-hostname,
// user-not-found, group-not-found, id-out-of-range, bad-mount, duplicate-mount,
// bad-capability, bad-sysctl and bad-device.
func Spec(image v1.ImageConfig, req Request, host Host, files Files) (*specs.Spec, error) {
	args, err := Args(image, req.Entrypoint, req.Command)
	if err != nil {
		return nil, err
	}
	cwd, err := workingDir(image.WorkingDir, req.WorkingDir)
	if err != nil {
		return nil, err
	}
	hostname := req.Hostname
	if hostname == "" {
		hostname = ShortID(req.ID)
	}
	if !validHostname(hostname) {
		return nil, imagecore.NewError(imagecore.ErrInvalid, "bad-hostname",
			"host name "+quote(hostname)+": letters, digits, dots and hyphens only, 64 at most", "hostname", hostname)
	}
	user := req.User
	if user == "" {
		user = image.User
	}
	who, err := LookUp(user, files)
	if err != nil {
		return nil, err
	}
	env, err := Environment(image.Env, req.Env, hostname, req.TTY)
	if err != nil {
		return nil, err
	}
	// An exec as another user gets that user's HOME, unless somebody chose one.
	var notes map[string]string
	if _, chosen := find(env, "HOME"); !chosen {
		env = set(env, "HOME="+who.Home, false)
		notes = map[string]string{homeOfUser: "true"}
	}
	if err := withGroups(&who.User, req.Security.Groups, files); err != nil {
		return nil, err
	}
	caps, err := CapabilitiesOf(req.Security, host.Caps)
	if err != nil {
		return nil, err
	}
	mounts, err := allMounts(req, host)
	if err != nil {
		return nil, err
	}
	sysctl, err := sysctlsOf(req.Security.Sysctls)
	if err != nil {
		return nil, err
	}
	if req.Init {
		args = append([]string{InitPath, "--"}, args...)
	}
	limits := req.Limits
	if host.Teaching {
		limits = WithDefaults(limits, TeachingLimits())
	}
	resources := Resources(limits)
	resources.Devices = devices()
	s := &specs.Spec{
		Version:    specs.Version,
		Hostname:   hostname,
		Domainname: req.Domainname,
		Root:       &specs.Root{Path: "rootfs", Readonly: req.Security.ReadOnlyRoot},
		Process: &specs.Process{
			Terminal:        req.TTY,
			ConsoleSize:     consoleSize(req.TTY, req.Cols, req.Rows),
			User:            who.User,
			Args:            args,
			Env:             env,
			Cwd:             cwd,
			Capabilities:    sets(caps, who.UID),
			Rlimits:         rlimitsOf(limits.Ulimits),
			NoNewPrivileges: host.Teaching || req.Security.NoNewPrivileges,
		},
		Mounts:      mounts,
		Annotations: notes,
		Linux: &specs.Linux{
			UIDMappings:   []specs.LinuxIDMapping{{ContainerID: 0, HostID: host.IDs, Size: IDCount}},
			GIDMappings:   []specs.LinuxIDMapping{{ContainerID: 0, HostID: host.IDs, Size: IDCount}},
			Namespaces:    namespaces(),
			CgroupsPath:   host.Cgroup,
			Resources:     resources,
			Sysctl:        sysctl,
			Seccomp:       host.Seccomp,
			MaskedPaths:   maskedPaths(),
			ReadonlyPaths: readonlyPaths(),
		},
	}
	if limits.OOMScoreAdj != 0 {
		s.Process.OOMScoreAdj = &limits.OOMScoreAdj
	}
	if req.Security.Privileged || req.Security.Unmasked {
		s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil
	}
	return s, grantDevices(s, req.Security.Devices, host.Device)
}

// homeOfUser is the annotation of a container whose HOME is that of its user in
// /etc/passwd, and not one that image or request chose.
const homeOfUser = "layerlab.home-of-user"

// Exec is what the creator of a further process asked for; empty fields take
// the container's.
type Exec struct {
	Command    []string
	Env        []string
	WorkingDir string
	User       string
	TTY        bool
	Cols, Rows uint16
}

// Process returns the process of an exec in a container with the given spec.
func Process(container *specs.Spec, req Exec, files Files) (*specs.Process, error) {
	if err := checkArgs(req.Command); err != nil {
		return nil, err
	}
	main := container.Process
	p := &specs.Process{
		Terminal:        req.TTY,
		ConsoleSize:     consoleSize(req.TTY, req.Cols, req.Rows),
		User:            main.User,
		Args:            req.Command,
		Cwd:             main.Cwd,
		Rlimits:         main.Rlimits,
		OOMScoreAdj:     main.OOMScoreAdj,
		NoNewPrivileges: main.NoNewPrivileges,
	}
	env, err := Environment(main.Env, req.Env, container.Hostname, req.TTY)
	if err != nil {
		return nil, err
	}
	p.Env = env
	if req.WorkingDir != "" {
		if p.Cwd, err = workingDir("", req.WorkingDir); err != nil {
			return nil, err
		}
	}
	if req.User != "" {
		who, err := LookUp(req.User, files)
		if err != nil {
			return nil, err
		}
		p.User = who.User
		if _, given := find(req.Env, "HOME"); !given && container.Annotations[homeOfUser] != "" {
			p.Env = set(without(env, "HOME"), "HOME="+who.Home, false)
		}
	}
	p.Capabilities = sets(main.Capabilities.Bounding, p.User.UID)
	return p, nil
}

// Args merges entrypoint and command as Docker does: a new entrypoint drops the
// image's Cmd, [""] empties the entrypoint.
func Args(image v1.ImageConfig, entrypoint, command []string) ([]string, error) {
	cmd := image.Cmd
	if len(command) > 0 {
		cmd = command
	}
	entry := image.Entrypoint
	if len(entrypoint) > 0 {
		entry, cmd = entrypoint, command
		if len(entrypoint) == 1 && entrypoint[0] == "" {
			entry = nil
		}
	}
	args := append(append([]string{}, entry...), cmd...)
	return args, checkArgs(args)
}

// checkArgs refuses what execve(2) could not be given.
func checkArgs(args []string) error {
	if len(args) == 0 || args[0] == "" {
		return noCommand()
	}
	for _, a := range args {
		if strings.ContainsRune(a, 0) {
			return imagecore.NewError(imagecore.ErrInvalid, "bad-argument", "an argument holds a zero byte", "argument", quote(a))
		}
	}
	return nil
}

func noCommand() error {
	return imagecore.NewError(imagecore.ErrInvalid, "no-command",
		"no command: the image's config names none, give one")
}

func workingDir(image, asked string) (string, error) {
	if asked != "" {
		if !path.IsAbs(asked) || strings.ContainsRune(asked, 0) {
			return "", imagecore.NewError(imagecore.ErrInvalid, "bad-working-dir",
				"working directory "+quote(asked)+": give an absolute path", "path", asked)
		}
		return path.Clean(asked), nil
	}
	// image-spec says that WorkingDir is absolute; images with "app" exist, and
	// Docker reads it from the root.
	return path.Clean("/" + image), nil
}

func consoleSize(tty bool, cols, rows uint16) *specs.Box {
	if !tty || cols == 0 || rows == 0 {
		return nil
	}
	return &specs.Box{Width: uint(cols), Height: uint(rows)}
}

// ShortID is the first 12 digits of a container's id, its default host name.
func ShortID(id string) string { return id[:min(12, len(id))] }

// validHostname follows sethostname(2)'s 64 bytes and RFC 1123's letters; an
// underscore passes, as it does in Docker.
func validHostname(name string) bool {
	if len(name) == 0 || len(name) > 64 {
		return false
	}
	for _, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-', c == '_':
		default:
			return false
		}
	}
	return name[0] != '-' && name[0] != '.'
}
