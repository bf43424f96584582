package wire

import "time"

// Kinds of mounts.
const (
	MountBind   = "bind"   // a file or folder of the server's host
	MountVolume = "volume" // a folder that the server keeps
	MountTmpfs  = "tmpfs"  // memory, gone with the container's run
)

// MountSpec is a mount that a new container shall have.
type MountSpec struct {
	Type string `json:"type"`
	// Source is the path on the host, or the volume's name; without a name the
	// volume is an anonymous one of this container.
	Source   string `json:"source,omitempty"`
	Target   string `json:"target"` // absolute path in the container
	ReadOnly bool   `json:"readOnly,omitempty"`
	// NoCopy leaves a new volume empty, where else it begins with what the image
	// has at the target.
	NoCopy bool `json:"noCopy,omitempty"`
	// Flat leaves out what is mounted beneath a bind's source.
	Flat    bool              `json:"flat,omitempty"`
	Options []string          `json:"options,omitempty"` // of a tmpfs: "size=64m", "mode=1777", "exec"
	Labels  map[string]string `json:"labels,omitempty"`  // of a volume that is made for it
	// MakeSource makes the source of a bind as a folder where it is missing.
	MakeSource bool `json:"makeSource,omitempty"`
}

// Limits are what a container may use. Zero means the default: no limit but
// that of processes.
type Limits struct {
	Memory            int64    `json:"memory,omitempty"`            // bytes
	MemorySwap        int64    `json:"memorySwap,omitempty"`        // bytes, memory included; -1 none
	MemoryReservation int64    `json:"memoryReservation,omitempty"` // bytes
	Swappiness        *int64   `json:"swappiness,omitempty"`        // 0 to 100
	NanoCPUs          int64    `json:"nanoCPUs,omitempty"`          // 1,500,000,000 is one and a half
	CPUShares         int64    `json:"cpuShares,omitempty"`         // beside 1,024 for each other
	CPUPeriod         int64    `json:"cpuPeriod,omitempty"`         // microseconds
	CPUQuota          int64    `json:"cpuQuota,omitempty"`          // microseconds a period
	CpusetCPUs        string   `json:"cpusetCPUs,omitempty"`        // "0-2,4"
	CpusetMems        string   `json:"cpusetMems,omitempty"`
	Pids              int64    `json:"pids,omitempty"`        // processes; -1 none
	Shm               int64    `json:"shm,omitempty"`         // bytes of /dev/shm
	Storage           int64    `json:"storage,omitempty"`     // bytes of the container's own layer
	OOMScoreAdj       int      `json:"oomScoreAdj,omitempty"` // 0 to 1,000
	Ulimits           []Ulimit `json:"ulimits,omitempty"`
}

// Ulimit is a limit of each process; -1 means none.
type Ulimit struct {
	Name string `json:"name"` // nofile
	Soft int64  `json:"soft"`
	Hard int64  `json:"hard"`
}

// Security is what a container may do, where it differs from the default.
type Security struct {
	CapAdd  []string `json:"capAdd,omitempty"` // NET_ADMIN, with or without CAP_; ALL
	CapDrop []string `json:"capDrop,omitempty"`
	// Privileged means all capabilities within the container's own user
	// namespace, never the host's.
	Privileged      bool              `json:"privileged,omitempty"`
	NoNewPrivileges bool              `json:"noNewPrivileges,omitempty"`
	Seccomp         string            `json:"seccomp,omitempty"` // a profile of moby's form, or "unconfined"
	Unmasked        bool              `json:"unmasked,omitempty"`
	ReadOnlyRoot    bool              `json:"readOnlyRoot,omitempty"`
	Groups          []string          `json:"groups,omitempty"` // further ones of the command
	Sysctls         map[string]string `json:"sysctls,omitempty"`
	Devices         []Device          `json:"devices,omitempty"`
}

// Device is a device of the host for a container.
type Device struct {
	Path   string `json:"path"`             // on the host
	Target string `json:"target,omitempty"` // in the container; "" the same
	Access string `json:"access,omitempty"` // of r, w and m; "" is rwm
}

// Names of restart policies.
const (
	RestartNo            = "no"
	RestartAlways        = "always"
	RestartUnlessStopped = "unless-stopped"
	RestartOnFailure     = "on-failure"
)

// Restart says whether a container that has ended is started again.
type Restart struct {
	Name string `json:"name"`
	Max  int    `json:"max,omitempty"` // of on-failure: how often; 0 is without end
}

// HealthCheck says how a container is probed, as an image's config does; what is
// zero is the image's or Docker's default.
type HealthCheck struct {
	Test          []string `json:"test,omitempty"`          // ["NONE"], ["CMD", argument…] or ["CMD-SHELL", line]
	Interval      int64    `json:"interval,omitempty"`      // nanoseconds between probes
	Timeout       int64    `json:"timeout,omitempty"`       // nanoseconds of a probe
	StartPeriod   int64    `json:"startPeriod,omitempty"`   // nanoseconds in which failures don't count
	StartInterval int64    `json:"startInterval,omitempty"` // nanoseconds between probes in it
	Retries       int      `json:"retries,omitempty"`       // failures in a row that make it unhealthy
}

// LogLimits say what log is kept of a container; of one with bounds the oldest
// goes first. The texts are those of docker run --log-opt.
type LogLimits struct {
	Driver  string `json:"driver,omitempty"`  // "local" or "none"; "" is json-file
	MaxSize int64  `json:"maxSize,omitempty"` // bytes of a file; 0 is without end
	MaxFile int    `json:"maxFile,omitempty"` // files; 0 is one
	// What stands beside each line: labels and variables by name, separated by
	// commas, or by a pattern of it, and a tag, which is a template.
	Labels      string `json:"labels,omitempty"`
	LabelsRegex string `json:"labelsRegex,omitempty"`
	Env         string `json:"env,omitempty"`
	EnvRegex    string `json:"envRegex,omitempty"`
	Tag         string `json:"tag,omitempty"`
}

// Volume is a folder that outlives containers.
type Volume struct {
	Name      string            `json:"name"`
	Labels    map[string]string `json:"labels,omitempty"`
	CreatedAt time.Time         `json:"createdAt"`
	Path      string            `json:"path"`      // on the host
	Anonymous bool              `json:"anonymous"` // made for one container, without a name of somebody's choice
	UsedBy    []string          `json:"usedBy"`    // ids of containers
}

// VolumeList answers GET /volumes, sorted by name.
type VolumeList struct {
	Volumes []Volume `json:"volumes"`
}

// PruneVolumes is the body of POST /volumes/prune.
type PruneVolumes struct {
	All bool `json:"all,omitempty"` // those with names too
}

// Pruned answers what removes all that nobody needs.
type Pruned struct {
	Removed []string `json:"removed"`         // names
	Freed   int64    `json:"freed,omitempty"` // bytes on disk
}

// CreateVolume is the body of POST /volumes.
type CreateVolume struct {
	Name   string            `json:"name,omitempty"` // "" makes an anonymous one
	Labels map[string]string `json:"labels,omitempty"`
}
