package wire

import "time"

// Roles of a share.
const (
	RoleViewer = "viewer" // looks
	RoleWriter = "writer" // types, too
)

// NewShare is the body of POST /containers/{id}/shares.
type NewShare struct {
	// Terminal is the exec whose terminal is shared; none is that of the
	// container's command.
	Terminal string `json:"terminal,omitempty"`
	Role     string `json:"role"`
	Seconds  int64  `json:"seconds"` // how long, 60 to 86,400
	Cols     uint16 `json:"cols"`    // the size that the terminal has now
	Rows     uint16 `json:"rows"`
}

// Share is a terminal that others can open by a link.
type Share struct {
	ID            string    `json:"id"`
	Container     string    `json:"container"`
	ContainerName string    `json:"containerName"`
	Terminal      string    `json:"terminal"` // the exec, "" for the container's command
	Role          string    `json:"role"`
	CreatedAt     time.Time `json:"createdAt"`
	ExpiresAt     time.Time `json:"expiresAt"`
	Guests        int       `json:"guests"` // who have it open now
}

// CreatedShare answers POST /containers/{id}/shares. The secret is told this
// once; it belongs into the fragment of a link: #share=SECRET.
type CreatedShare struct {
	Share
	Secret string `json:"secret"`
}

// ShareList answers GET /shares, newest first.
type ShareList struct {
	Shares []Share `json:"shares"`
}

// SharedRequest is the body of POST /shared, which needs no other access: what
// stands behind #share= in the link.
type SharedRequest struct {
	Secret string `json:"secret"`
}

// SharedTerminal answers it: the terminal is GET /shared/{id}?ticket=….
type SharedTerminal struct {
	ID            string    `json:"id"`
	ContainerName string    `json:"containerName"`
	Role          string    `json:"role"`
	ExpiresAt     time.Time `json:"expiresAt"`
	Cols          uint16    `json:"cols"`
	Rows          uint16    `json:"rows"`
	Ticket        string    `json:"ticket"` // once, within 30 seconds
}
