//go:build linux

// Package folders makes the folders of images' layers out of what is stored:
// behind everybody's back as soon as an image is there, and for whoever cannot
// wait for that.
//
//	image known ─▶ Behind ─┐
//	                       ├─▶ a layer at a time, each by one of them ─▶ layers/HEX
//	start       ─▶ Make   ─┘
//
// A folder is derived: blobs and meta.db say all that is in it. So nothing that
// happens here is a loss. Whatever is cut short leaves a layer without its folder,
// which the next Make makes.
//
// Whoever calls holds the image, so that its blobs stay. Behind holds nothing: who
// removes an image calls Stop first.
package folders
