//go:build linux

package dockerapi

import (
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/system"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/server/dockerapi/shape"
	"github.com/layerlab/layerlab/server/labapi/wire"
	"github.com/layerlab/layerlab/server/logging"
)

func (h *Handler) ping(c *call) error {
	c.Header().Set("Builder-Version", "1") // none of BuildKit
	c.Header().Set("Swarm", "inactive")
	c.Header().Set("Cache-Control", "no-cache, no-store, must-revalidate")
	c.Header().Set("Content-Type", "text/plain; charset=utf-8")
	c.head(http.StatusOK)
	if c.r.Method == http.MethodHead {
		return nil
	}
	_, err := c.Write([]byte("OK"))
	return err
}

func (h *Handler) versions(c *call) error {
	v := system.VersionResponse{
		Version: h.Facts.Version, APIVersion: newest(c.r.UserAgent()).String(), MinAPIVersion: MinVersion.String(),
		Os: runtime.GOOS, Arch: runtime.GOARCH, GoVersion: runtime.Version(), KernelVersion: h.Facts.Kernel,
		Platform: system.PlatformInfo{Name: "layerlab"},
	}
	v.Components = []system.ComponentVersion{{Name: "Engine", Version: h.Facts.Version, Details: map[string]string{
		"ApiVersion": v.APIVersion, "MinAPIVersion": v.MinAPIVersion, "Os": v.Os, "Arch": v.Arch,
		"GoVersion": v.GoVersion, "KernelVersion": v.KernelVersion, "Experimental": "false",
	}}}
	return c.json(http.StatusOK, v)
}

// newest is the version of the API that a client is told of. docker-compose 1,
// Debian's, speaks whatever it is told and knows none after 1.41: it fails over
// what later ones dropped (ContainerConfig of images, id of events), with newer
// engines as well.
func newest(client string) shape.Version {
	if strings.HasPrefix(client, "docker-compose/1.") {
		return 41
	}
	return MaxVersion
}

func (h *Handler) info(c *call) error {
	images, err := h.Images.All(c.r.Context())
	if err != nil {
		return err
	}
	list, err := h.Containers.List(c.r.Context())
	if err != nil {
		return err
	}
	var memory unix.Sysinfo_t
	if err := unix.Sysinfo(&memory); err != nil {
		return err
	}
	i := system.Info{
		ID: h.Facts.Name, Name: h.Facts.Name, Containers: len(list), Images: len(images),
		Driver: "overlayfs", DriverStatus: [][2]string{{"Backing Filesystem", fileSystem(h.Facts.Data)}, {"Layers Mounted By", h.Facts.Rootfs}},
		MemoryLimit: true, PidsLimit: true, CPUCfsPeriod: true, CPUCfsQuota: true, CPUShares: true, CPUSet: true, IPv4Forwarding: true, SwapLimit: countsSwap(),
		NGoroutines: runtime.NumGoroutine(), SystemTime: time.Now().Format(time.RFC3339Nano),
		LoggingDriver: logging.JSONFile, CgroupDriver: "cgroupfs", CgroupVersion: "1",
		KernelVersion: h.Facts.Kernel, OperatingSystem: "layerlab", OSType: runtime.GOOS, Architecture: machine(),
		NCPU: runtime.NumCPU(), MemTotal: int64(memory.Totalram) * int64(memory.Unit), DockerRootDir: h.Facts.Data,
		ServerVersion: h.Facts.Version, DefaultRuntime: h.Facts.DefaultRuntime,
		Runtimes:        map[string]system.RuntimeWithStatus{},
		SecurityOptions: []string{"name=seccomp,profile=builtin", "name=userns"},
		RegistryConfig: &registry.ServiceConfig{
			InsecureRegistryCIDRs: []netip.Prefix{}, Mirrors: []string{},
			IndexConfigs: map[string]*registry.IndexInfo{"docker.io": {Name: "docker.io", Mirrors: []string{}, Secure: true, Official: true}},
		},
		Swarm:  swarm.Info{LocalNodeState: swarm.LocalNodeStateInactive},
		Labels: []string{}, Warnings: []string{}, CDISpecDirs: []string{},
	}
	for name, path := range h.Facts.Runtimes {
		i.Runtimes[name] = system.RuntimeWithStatus{Runtime: system.Runtime{Path: path}}
	}
	if h.Facts.Rootless {
		i.SecurityOptions = append(i.SecurityOptions, "name=rootless")
		i.MemoryLimit, i.PidsLimit, i.CPUCfsPeriod, i.CPUCfsQuota, i.CPUShares, i.CPUSet = false, false, false, false, false, false
		i.CgroupDriver = "none"
	}
	var st unix.Statfs_t
	if unix.Statfs("/sys/fs/cgroup", &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
		i.CgroupVersion = "2"
	}
	i.Plugins.Log, i.Plugins.Volume, i.Plugins.Network = logging.Drivers(), []string{"local"}, []string{"bridge", "host", "null"}
	for _, one := range list {
		switch one.State {
		case wire.StateRunning:
			i.ContainersRunning++
		case wire.StatePaused:
			i.ContainersPaused++
		default:
			i.ContainersStopped++
		}
	}
	return c.json(http.StatusOK, i)
}

// fileSystem names the one that a folder lies on, as Docker does.
func fileSystem(dir string) string {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return "<unknown>"
	}
	switch st.Type {
	case unix.EXT4_SUPER_MAGIC:
		return "extfs"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs"
	}
	return "<unknown>"
}

// countsSwap says whether the host's memory controller limits swap as well: one
// of cgroup v1 only where the kernel was told to, one of v2 does.
func countsSwap() bool {
	for _, file := range []string{"/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes", "/sys/fs/cgroup/memory.memsw.limit_in_bytes"} {
		if _, err := os.Stat(file); err == nil {
			return true
		}
	}
	controllers, err := os.ReadFile("/sys/fs/cgroup/cgroup.controllers")
	return err == nil && slices.Contains(strings.Fields(string(controllers)), "memory")
}

func machine() string {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return runtime.GOARCH
	}
	return unix.ByteSliceToString(name.Machine[:])
}
