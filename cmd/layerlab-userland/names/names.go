// Package names lists the names under which the user land acts, for those who
// put links to it into an image.
package names

// All returns every name, sorted.
func All() []string {
	return []string{
		"[", "base64", "basename", "cat", "chmod", "chown", "clear", "cp", "cut", "date", "df", "dirname", "du",
		"echo", "env", "false", "find", "free", "grep", "gunzip", "gzip", "head", "hexdump", "hostname", "httpd",
		"id", "kill", "less", "ln", "ls", "md5sum", "mkdir", "mkfifo", "mknod", "mktemp", "more", "mount", "mv",
		"nc", "nproc", "nslookup", "ping", "printenv", "printf", "ps", "pwd", "readlink", "realpath", "rev", "rm",
		"rmdir", "seq", "sh", "sha1sum", "sha256sum", "sleep", "sort", "stat", "stty", "sync", "tail", "tar", "tee",
		"test", "touch", "tr", "true", "truncate", "tty", "uname", "uniq", "uptime", "wc", "wget", "which", "whoami",
		"xargs", "yes",
	}
}
