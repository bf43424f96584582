package elf

// Binary is what an ELF file tells of itself.
type Binary struct {
	Bits      int    `json:"bits"`    // 32 or 64
	Order     string `json:"order"`   // little or big
	Machine   string `json:"machine"` // as uname(1) would say, or "machine N"
	Type      string `json:"type"`    // executable, pie, shared, relocatable, core, or "type N"
	Linked    string `json:"linked"`  // static, dynamic, or "" for what is not run
	SoName    string `json:"soName,omitempty"`
	BuildID   string `json:"buildID,omitempty"` // GNU's, hexadecimal digits
	Stripped  bool   `json:"stripped"`          // of its symbols
	DebugInfo bool   `json:"debugInfo"`
	// Interpreter is the program loader; a path as the file gives it.
	Interpreter *Library  `json:"interpreter"`
	Needed      []Library `json:"needed"`
	RPath       []string  `json:"rpath,omitempty"`
	RunPath     []string  `json:"runPath,omitempty"`
	Hardening   Hardening `json:"hardening"`
	Go          *GoBuild  `json:"go"`       // null for what Go did not build
	Sections    []Section `json:"sections"` // the largest first, 200 at most
	Parts       int       `json:"parts"`    // how many sections there are
}

// Library is a file that another one needs.
type Library struct {
	Name string `json:"name"` // as the file that needs it says
	// Path is where the image has it, without the first slash and after all
	// links; "" where it is missing, or nobody has looked (Resolve).
	Path string `json:"path,omitempty"`
	// By says which rule found it: path, rpath, runpath, conf or default.
	By string `json:"by,omitempty"`
}

// Hardening are the linker's and compiler's defences (hints: what a file says of
// itself, not what it does).
type Hardening struct {
	RELRO string `json:"relro"` // full, partial or none
	NX    bool   `json:"nx"`    // the stack is not executable
	PIE   bool   `json:"pie"`
	// Canary is yes or no where the file has names to look at, else "".
	Canary string `json:"canary"`
}

// GoBuild is what the Go linker wrote into the file.
type GoBuild struct {
	Version string   `json:"version"`
	Path    string   `json:"path,omitempty"` // of the main package
	Modules []Module `json:"modules"`        // the main one first
	Build   []string `json:"build"`          // settings, "GOARCH=amd64"
}

// Module is a Go module.
type Module struct {
	Path    string `json:"path"`
	Version string `json:"version"`
	// Replaced is "path version" of what stands in its place.
	Replaced string `json:"replaced,omitempty"`
}

// Section is a part of the file.
type Section struct {
	Name string `json:"name"`
	Size int64  `json:"size"` // bytes, in the file or, for what begins as zeros, in memory
	// Zeros says that it takes no bytes in the file (.bss).
	Zeros bool `json:"zeros,omitempty"`
}
