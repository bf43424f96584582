package wire

// Facts answers GET /containers/{id}/facts: what makes a running container one,
// read from the kernel's /proc at this moment.
type Facts struct {
	Pid        int         `json:"pid"` // of the command, on the host
	Namespaces []Namespace `json:"namespaces"`
	UIDMap     []IDMap     `json:"uidMap"`
	GIDMap     []IDMap     `json:"gidMap"`
	Mounts     []Mount     `json:"mounts"` // in the order in which they were made
	// Capabilities by set: bounding, permitted, effective, inheritable, ambient.
	Capabilities map[string][]string `json:"capabilities"`
	Seccomp      string              `json:"seccomp"` // disabled, strict or filter
	NoNewPrivs   bool                `json:"noNewPrivs"`
	CgroupPath   string              `json:"cgroupPath"`
	CgroupValues []CgroupValue       `json:"cgroupValues"`
	// Processes are the first hundred of those that ProcessCount counts, in the
	// order of the host's numbers.
	Processes     []Process `json:"processes"`
	ProcessCount  int       `json:"processCount"`
	SeccompFilter int       `json:"seccompFilter"` // number of filters
}

// Process is a process of a container, seen from both sides.
type Process struct {
	Host   int    `json:"host"`   // its number on the host
	Inside int    `json:"inside"` // in the container; 0 where it is in no pid namespace of its own
	User   uint32 `json:"user"`   // its user id on the host
	Name   string `json:"name"`   // as the kernel keeps it, 15 bytes at most
}

// Namespace is one namespace of a container.
type Namespace struct {
	Type string `json:"type"` // cgroup ipc mnt net pid user uts
	ID   string `json:"id"`   // inode: equal for those who share it
	Own  bool   `json:"own"`  // not the server's
}

// IDMap is a line of uid_map or gid_map (user_namespaces(7)).
type IDMap struct {
	Container uint32 `json:"container"`
	Host      uint32 `json:"host"`
	Count     uint32 `json:"count"`
}

// Mount is a mount that the container sees.
type Mount struct {
	Target  string `json:"target"`
	Type    string `json:"type"`
	Source  string `json:"source"`
	Options string `json:"options"` // of the mount and of its file system
}

// CgroupValue is a limit or count of the container's cgroup.
type CgroupValue struct {
	Name  string `json:"name"`  // the kernel's file name: "pids.max"
	Value string `json:"value"` // its first line
}
