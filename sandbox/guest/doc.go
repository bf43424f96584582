// Package guest is the inside of the WebAssembly module imagecore.wasm: it
// takes requests, runs imagecore, and hands results out. It is plain Go without
// a single import of the host, so that tests run it natively; the command
// imagecore-wasm binds it to the module's imports and exports, package sandbox
// and the page's worker are its hosts.
//
//	request JSON → Guest.Run → Host.ReadAt … → imagecore → Host.Emit …
//
// # The module's binary interface
//
// The module is a WASI reactor (GOOS=wasip1, -buildmode=c-shared): a host
// instantiates it and calls _initialize once. It imports, from "layerlab":
//
//	read_at(handle i32, offset i64, ptr i32, n i32) i32   bytes read, 0 at the end, < 0 on an error
//	emit(kind i32, ptr i32, n i32)                        hands out n bytes that are valid during the call
//	tick(done i64, total i64) i32                         progress in bytes; not 0 asks to stop
//
// and exports:
//
//	alloc(n i32) i32          a buffer for the next request, kept until the next call
//	run(ptr i32, n i32) i32   does a request; 0 done, 1 an error was emitted
//
// Memory grows during calls: a host takes its view anew after each. After a
// trap the instance is not to be used again.
//
// # Requests
//
//	{"op":"survey","handle":0,"size":N,"lens":"spec","limits":{…},"access":"browser"}   emits Report once, then Index for each image
//	{"op":"index","image":0,"lens":"umoci"}                          emits Index for that image, seen through another lens
//	{"op":"content","image":0,"layer":2,"offset":O,"size":N}         emits Content, N bytes of the layer's uncompressed tar from O on
//	{"op":"flatten","image":0}                                       emits Content: the image's merged tree as one tar
//	{"op":"account","image":0,"contents":false}                      emits Account: that image's waste and the verdict of its rules
//	{"op":"dockerfile","text":"FROM …","history":[…]}                 emits Lines: which layer each of a Dockerfile's instructions made
//	{"op":"command","handle":0,"size":N,"job":{…},"second":{…},"spools":true}   emits Output, perhaps Spool on the way, then Answer
//	{"op":"read","handle":0,"size":N,"limits":{…}}                   as survey, then Entries for each layer, then Inside; not in the page's module
//
// Limits are those of imagecore.Limits by their Go names; absent ones are
// GuestLimits. Requests for an index and for content refer to the archive that
// the same instance surveyed last.
package guest
