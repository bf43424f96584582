// Package codec unpacks streams by their magic, whatever their name or media
// type says: gzip, zstd, xz and bzip2, or nothing at all.
//
//	stored bytes → Detect → NewReader → bytes of a tar
//
// Every reader counts both sides and ends with imagecore.ErrTooLarge when the
// limits on size or ratio are crossed, before what is beyond is handed out;
// frames that ask for more memory than MaxWindow are refused before it is
// spent. Checksums within the formats are verified by reading to io.EOF.
//
// It does not compress, and it does not know tars.
package codec
