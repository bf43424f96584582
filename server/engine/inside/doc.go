// Package inside reads what is inside images and containers: merged trees, which
// are kept for a while, and the small files that decide how a container is run
// (/etc/passwd, /etc/group).
//
//	image: store → Trees → view → ImageFiles     bytes of its layers, no path on the host
//	container: /proc/PID/root → RootFiles        openat2(2), no link leads out
package inside
