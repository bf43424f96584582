// Package plan turns a config.json (runtime-spec v1.3) into the list of steps
// that start a container of it: every system call with its arguments, why it is
// made, where the manual describes it, and what would go wrong without it.
//
//	config.json + facts about the host → For → []Step → launch executes it
//	                                              ├→ `layerlab-runtime plan` prints it
//	                                              └→ the page shows it, with the trace
//
// It decides and does nothing: no operating system is asked, so it builds and
// is tested everywhere. What depends on the host comes in by Options. Flags
// stand here by name ("MS_REC|MS_PRIVATE"), the numbers are the launcher's.
//
// Package launch executes exactly the calls of a plan, in its order:
//
//	host    by the launcher, in its own namespaces, before the fork
//	join    by a short-lived first child, which enters existing namespaces
//	parent  by the launcher, while the child waits
//	child   by the process that becomes the container's command
//
// A call may use what an earlier one returned: `fsopen("proc") = $proc`. The
// launcher itself provides $go, $start, $report, $stdin, $stdout and $stderr
// (descriptors), $pid and $proc-pid (the child and its folder of /proc) and, if
// it was given one, $rootfs.
package plan
