// Package words explains the steps of a plan: what is done, what it is good for,
// where it is described, and what would go wrong without it.
//
//	code of a step → Of → Entry, with {name} where an argument belongs
//
// The texts stand apart from the plan because a launch needs none of them.
package words

import (
	"slices"
	"sync"
)

// Entry is what a reader wants to know of a step. {name} stands for the step's
// argument of that name.
type Entry struct {
	Words   string // what is done
	Reason  string // what for
	Man     string // where it is described: "pivot_root(2)"
	Without string // what would go wrong
}

// Of returns the entry of a code; false for one that no step has.
func Of(code string) (Entry, bool) {
	e, ok := all()[code]
	return e, ok
}

// Codes returns every code that a step may have, sorted: the page has words of
// its own for each, in the reader's language.
func Codes() []string {
	var c []string
	for k := range all() {
		c = append(c, k)
	}
	slices.Sort(c)
	return c
}

// all makes the table when it is first asked for: most programs that launch
// never do.
var all = sync.OnceValue(func() map[string]Entry {
	return map[string]Entry{
		"open-namespace": {
			"open the existing {type} namespace at {path}",
			"it can be named once the process has left the host's view", "namespaces(7)",
			"the path might mean something else by the time it is entered",
		},
		"time-namespace": {
			"make a time namespace for those that come after, with the clocks set off by: {offsets}",
			"the container's monotonic clock and its time since boot are its own", "time_namespaces(7)",
			"the process would see how long the host has been running",
		},
		"join-namespace": {
			"enter the existing {type} namespace",
			"the config shares it with another container or the host", "setns(2)",
			"the process would get the host's {type} namespace",
		},
		"enter-container": {
			"enter all namespaces of the container at once",
			"the new process is to see what the container sees", "setns(2)",
			"the process would run on the host",
		},
		"enter-root": {
			"make the container's root the root",
			"a container made without pivot_root has its root below that of its mount namespace", "chroot(2)",
			"the process would see the host's files there",
		},
		"open-root": {
			"take a private view of the root file system {path}",
			"it is handed on as a descriptor, which needs no right to walk the path", "open_tree(2)",
			"mounts made in the container would appear on the host",
		},
		"make-devpts": {
			"make a terminal file system of the container's own",
			"terminals are numbered per container and nobody else's can be opened", "pts(4)",
			"the container could open the host's terminals, or would have none",
		},
		"open-terminal": {
			"open a terminal of {columns} columns and {rows} rows",
			"the master stays with the launcher, the other end becomes the command's input and output", "ioctl_tty(2)",
			"a shell would have no line editing, no job control and no Ctrl-C",
		},
		"open-cgroup": {
			"open {path}",
			"the child writes itself into the cgroup through it, without walking /sys", "cgroups(7)",
			"joining would take several milliseconds from outside",
		},
		"open-bind": {
			"take a view of {source} for {path}",
			"the source is opened with the launcher's rights and by descriptor", "open_tree(2), mount_setattr(2)",
			"the container's ids may not be allowed to walk to {source}",
		},
		"map-users": {
			"map the container's users to the host's: {map}",
			"root inside is an ordinary user outside", "user_namespaces(7)",
			"whoever breaks out of the container would be root on the host",
		},
		"map-groups": {
			"map the container's groups to the host's: {map}",
			"groups inside are other groups outside", "user_namespaces(7)",
			"files of the host's groups could be opened",
		},
		"oom-score": {
			"set the out-of-memory score to {score}",
			"the kernel kills in this order when memory runs out", "proc(5)",
			"the container would be as likely to be killed as its launcher",
		},
		"limit": {
			"limit {limit} to {soft}, at most {hard}",
			"one process cannot take more than its share", "prlimit(2)",
			"the process would have the launcher's limits",
		},
		"wait-for-parent": {
			"wait until the launcher has set up the maps",
			"only a process outside can write them", "pipe(7)",
			"the process would act as nobody",
		},
		"become-root": {
			"become root of the new user namespace",
			"the mounts that follow are made with this user's rights", "setresuid(2)",
			"files would be made by a user that the container cannot name",
		},
		"clear-umask": {
			"clear the file mode mask",
			"folders and nodes get exactly the modes that are asked for", "umask(2)",
			"the caller's mask would leak into the container",
		},
		"new-session": {
			"start a new session",
			"the container has no controlling terminal of the caller's", "setsid(2)",
			"it could type into the caller's terminal (TIOCSTI, CVE-2016-10124)",
		},
		"new-keyring": {
			"start with an empty keyring",
			"keys are not separated by namespaces", "keyctl(2)",
			"the container could read the launcher's keys",
		},
		"join-cgroup": {
			"join the container's {count} cgroups",
			"limits and statistics count for it from the first instruction", "cgroups(7)",
			"the container could use all memory and processors, and could not be frozen",
		},
		"new-cgroup-namespace": {
			"make a cgroup namespace",
			"the container sees its own cgroup as the root", "cgroup_namespaces(7)",
			"/proc/self/cgroup would show the host's layout",
		},
		"private-mounts": {
			"make all mounts private",
			"mounts do not travel between host and container", "mount_namespaces(7)",
			"the steps that follow would happen on the host as well",
		},
		"attach-root": {
			"attach the container's root on top of the old one",
			"pivot_root wants a mounted folder", "move_mount(2)",
			"pivot_root would answer EINVAL",
		},
		"mount-proc": {
			"mount a new proc at {path}",
			"it shows the processes of the new pid namespace only", "proc(5)",
			"ps would fail, or show the host's processes",
		},
		"mount-sysfs": {
			"mount sysfs at {path}",
			"it shows the network devices of the new network namespace", "sysfs(5)",
			"programs that look for devices and the kernel's settings would fail",
		},
		"mount-tmpfs": {
			"mount a file system in memory at {path}",
			"it is empty, its size is limited, and it goes with the container", "tmpfs(5)",
			"writes to {path} would end in the container's layer",
		},
		"mount-mqueue": {
			"mount the message queues at {path}",
			"those of the new ipc namespace can be listed", "mq_overview(7)",
			"POSIX message queues could not be looked at",
		},
		"mount-cgroup": {
			"mount the cgroups at {path}",
			"the container can read its own limits", "cgroups(7)",
			"runtimes that size themselves by their limits would take the whole host's",
		},
		"mount-devpts": {
			"mount the container's terminals at {path}",
			"programs open new terminals there", "pts(4)",
			"script, screen and ssh would not work",
		},
		"mount-filesystem": {
			"mount a {type} at {path}",
			"the config asks for it", "mount(8)",
			"{path} would be the image's",
		},
		"map-bind": {
			"show the ids of the files of {path} as these: {map}",
			"the same files belong to others in each container, and nothing is changed on disk", "mount_setattr(2)",
			"the files would belong to nobody, or to the wrong users",
		},
		"mount-bind": {
			"bring {source} in at {path}",
			"host and container share these files", "move_mount(2)",
			"{path} would be the image's",
		},
		"open-dev": {
			"open the container's /dev",
			"nodes are made through the descriptor", "openat2(2)",
			"a link in the image could lead the nodes elsewhere",
		},
		"bind-device": {
			"bring the host's {path} in",
			"a user namespace may not make devices", "user_namespaces(7)",
			"programs that write to {path} would fail or make a plain file",
		},
		"make-device": {
			"make {path} ({device})",
			"programs expect it", "mknod(2)",
			"programs that write to {path} would fail or make a plain file",
		},
		"dev-links": {
			"link /dev/fd, stdin, stdout, stderr and ptmx",
			"shells and scripts use these names", "fd(4)",
			"/dev/stdout and <(…) would not work",
		},
		"bind-console": {
			"show the terminal as /dev/console",
			"init programs write there", "console(4)",
			"they would find no console",
		},
		"open-proc": {
			"make a proc that is attached nowhere",
			"the kernel's settings are written through it", "proc(5)",
			"sysctl could not be set",
		},
		"sysctl": {
			"set {name} to {value}",
			"the config asks for it; it counts in the container's namespace only", "sysctl(8)",
			"{name} would have the kernel's default",
		},
		"loopback-up": {
			"bring the loopback interface up",
			"a new network namespace has it, but down", "netdevice(7)",
			"127.0.0.1 would be unreachable",
		},
		"hostname": {
			"set the host name to {name}",
			"the container has a name of its own", "sethostname(2)",
			"hostname would print the host's name",
		},
		"domainname": {
			"set the domain name to {name}",
			"the config asks for it", "setdomainname(2)",
			"domainname would print the host's",
		},
		"make-cwd": {
			"make sure that {path} is there",
			"the command begins there", "mkdir(2)",
			"an image that lacks the folder could not be run",
		},
		"readonly-path": {
			"make {path} read-only",
			"it holds settings of the whole kernel", "mount_setattr(2)",
			"root in the container could change some of the host's settings",
		},
		"open-null": {
			"open the host's null device",
			"files are hidden behind it; the image's own could be something else", "null(4)",
			"a false /dev/null could uncover or overwrite files of the host (CVE-2025-31133)",
		},
		"mask-path": {
			"hide {path}",
			"it tells or changes things of the host that no namespace separates", "mount_namespaces(7)",
			"the container could read the kernel's memory, keys or timing there",
		},
		"wait-for-hooks": {
			"wait while hooks run",
			"programs of the caller prepare the container from outside", "pipe(7)",
			"they would come too late",
		},
		"readonly-root": {
			"make the root read-only",
			"the config asks for it", "mount_setattr(2)",
			"the container could write into its layer",
		},
		"chroot": {
			"make the container's root the root by chroot",
			"the caller asked for it, as pivot_root does not work from an initramfs", "chroot(2)",
			"the process would see the host's files",
		},
		"pivot-root": {
			"make the container's root the root of this mount namespace",
			"/ means the container's files from here on", "pivot_root(2)",
			"the process would see the host's files",
		},
		"detach-old-root": {
			"let go of the host's file systems",
			"they are stacked below the new root", "umount(2)",
			"root in the container could dig out the host's files",
		},
		"root-propagation": {
			"set how mounts of the root spread: {propagation}",
			"the config asks for it", "mount_namespaces(7)",
			"mounts made inside would stay inside",
		},
		"stdio": {
			"connect standard input, output and error",
			"this is how the container's output is seen", "dup(2)",
			"the command would write into the launcher's files",
		},
		"controlling-terminal": {
			"make the terminal the controlling one",
			"Ctrl-C becomes a signal and the size is known", "ioctl_tty(2)",
			"Ctrl-C would do nothing, and shells would have no job control",
		},
		"close-descriptors": {
			"close every descriptor from {first} on but the launcher's pipes",
			"descriptors survive a change of root", "close_range(2)",
			"one that points outside would be a way out (CVE-2024-21626)",
		},
		"io-priority": {
			"set the disk priority to {class} {priority}",
			"the config asks for it", "ioprio_set(2)",
			"the process would have the launcher's",
		},
		"scheduler": {
			"set the scheduling policy to {policy}",
			"the config says who gets a processor first; higher ones take rights on the host", "sched_setattr(2)",
			"the process would have the launcher's",
		},
		"personality": {
			"set the execution domain to {domain}",
			"the config asks for it", "personality(2)",
			"uname would tell the kernel's own architecture",
		},
		"drop-bounding": {
			"take away for good: {capabilities}",
			"no program, setuid ones included, can gain these any more", "capabilities(7)",
			"a program with file capabilities would have them again",
		},
		"keep-capabilities": {
			"keep capabilities over the change of user",
			"they are set to the wanted ones afterwards", "capabilities(7)",
			"changing the user would clear them all",
		},
		"user": {
			"become user {uid} and group {gid}",
			"the command runs as this user of the container", "setresuid(2)",
			"it would run as root of the container",
		},
		"capabilities": {
			"keep of root's rights only: {effective}",
			"most programs need few of them", "capset(2)",
			"root in the container could change its mounts, routes and more",
		},
		"ambient": {
			"pass on over execve: {capabilities}",
			"only these reach programs of ordinary users", "capabilities(7)",
			"the launcher's would be inherited",
		},
		"change-folder": {
			"go to {path}, and see that it lies inside",
			"the command begins there", "chdir(2), getcwd(3)",
			"the command might begin outside of its root (CVE-2024-21626)",
		},
		"umask": {
			"set the file mode mask to {umask}",
			"new files are not writable for everyone", "umask(2)",
			"files would be made with mode 0666",
		},
		"no-new-privileges": {
			"forbid gaining rights by execve",
			"setuid programs run without their owner's rights", "prctl(2)",
			"a setuid program with a fault would be a way to root of the container",
		},
		"find-command": {
			"find {command}",
			"a mistake is told now, when the container is created", "execve(2)",
			"it would be told when it is started, to nobody in particular",
		},
		"wait-for-start": {
			"tell that all is ready, and wait for the start",
			"create and start are two commands", "pipe(7)",
			"the container would run before anybody watches it",
		},
		"seccomp": {
			"install the filter of system calls (else: {default})",
			"most of the kernel's 400 calls are needed by no program, and faults hide in them", "seccomp(2)",
			"faults in rarely used calls could be used against the host",
		},
		"tell-listener": {
			"say that the filter is in place, so that the launcher hands its listener to {path}",
			"an agent there decides about the calls that the profile leaves to it", "seccomp_unotify(2)",
			"such calls would wait for ever",
		},
		"execute": {
			"become {command}",
			"from here on the container's own program runs", "execve(2)",
			"there would be no container",
		},
	}
})
