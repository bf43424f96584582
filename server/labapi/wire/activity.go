package wire

import "time"

// Who asked for what an Activity records.
const (
	ByDocker = "docker" // a client of the Docker API
	ByPage   = "page"   // a button of the page, or a program that uses its API
	ByServer = "server" // nobody: a restart policy
)

// Activity is one call of the Docker API or one action of the page, and what
// the engine did for it. Times are nanoseconds.
type Activity struct {
	ID     uint64    `json:"id"` // rises by one from call to call; from 1 when the server starts
	Time   time.Time `json:"time"`
	Took   int64     `json:"took"` // until the answer's last byte; 0 while under way
	Done   bool      `json:"done"`
	By     string    `json:"by"`
	Client string    `json:"client"` // how the client calls itself (User-Agent)
	Verb   string    `json:"verb"`   // docker's word for it: "create", "start", "image ls"; "" for a route without one
	Method string    `json:"method"`
	Path   string    `json:"path"`   // with its query
	Status int       `json:"status"` // of the answer; 0 while there is none
	Error  string    `json:"error"`  // why it was refused; "" if it was not
	// Reads says that the call changes nothing and waits for nothing that does.
	Reads      bool            `json:"reads"`
	Containers []ActivityThing `json:"containers"` // that it is about
	Images     []ActivityThing `json:"images"`     // that names were resolved to
	Mounts     []ActivityMount `json:"mounts"`
	Notes      []ActivityNote  `json:"notes"`
	Events     []ActivityEvent `json:"events"`
	Steps      int             `json:"steps"`           // of plans that were executed
	Calls      int             `json:"calls"`           // system calls that these made
	Trace      []ActivityStep  `json:"trace,omitempty"` // the steps; only where one activity is asked for
}

// ActivityThing is a container or image by the name that was used for it.
type ActivityThing struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// ActivityMount is the root file system that a start put together.
type ActivityMount struct {
	Container string          `json:"container"` // id
	Layers    []ActivityLayer `json:"layers"`    // base first
	// Shared are the bytes of the layers that another container had mounted
	// already: what a copy for this one alone would have cost.
	Shared int64 `json:"shared"`
	New    int64 `json:"new"` // bytes of the others
	// With are the names of the containers that share a layer, at most 20.
	With []string `json:"with"`
}

// ActivityLayer is one layer of an ActivityMount.
type ActivityLayer struct {
	ChainID string `json:"chainID"`
	Bytes   int64  `json:"bytes"` // of its tar
	Users   int    `json:"users"` // running containers that had it mounted before
}

// ActivityNote is something that was done below, worded by the page.
type ActivityNote struct {
	Code string            `json:"code"`
	Args map[string]string `json:"args"`
	At   int64             `json:"at"`   // since the activity began
	Took int64             `json:"took"` // 0 for a moment
}

// ActivityEvent is an event that told of what the activity is about while it
// was under way.
type ActivityEvent struct {
	Kind string `json:"kind"` // as in Event
	ID   string `json:"id"`
	At   int64  `json:"at"`
}

// ActivityStep is an executed step of a plan.
type ActivityStep struct {
	Code  string            `json:"code"` // of the plan's step, which the page words
	Args  map[string]string `json:"args"`
	Where string            `json:"where"` // host, join, parent or child
	Call  string            `json:"call"`  // the system call that matters most
	Words string            `json:"words"` // English
	Start int64             `json:"start"` // since the launch began
	Took  int64             `json:"took"`
	Calls int               `json:"calls"`
	OK    bool              `json:"ok"`
	Errno string            `json:"errno"` // "" where it went well
}

// ActivityList answers GET /activity, newest first.
type ActivityList struct {
	Activities []Activity `json:"activities"`
	// Lost is how many older ones are no longer kept.
	Lost uint64 `json:"lost"`
}

// EventActivity tells of an activity that began or ended; the id is its number,
// data the Activity without its Trace. Never replayed.
const EventActivity = "activity"
