// Package volumes keeps the folders that outlive containers.
//
//	Create → record in meta.db, DATA/volumes/NAME/_data → Seed (what the image
//	has at the place) → mounted into containers, idmapped for each
//
// Files lie there with the ids that the containers know: root's are 0. Each
// container sees them through a mount that maps its own range, so that two
// containers with different ranges share a volume and both are root in it. On a
// host without idmapped mounts all containers share one range, and the files
// carry its ids (Options.Shift).
//
// It does not mount, and does not know containers but by the ids that use a
// volume. Sources: moby's volume API, mount_setattr(2).
package volumes
