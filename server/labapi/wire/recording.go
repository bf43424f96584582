package wire

import "time"

// NewRecording is the body of POST /containers/{id}/recordings.
type NewRecording struct {
	// Terminal is the exec whose terminal is recorded; none is that of the
	// container's command.
	Terminal string `json:"terminal,omitempty"`
	Title    string `json:"title,omitempty"` // at most 200 bytes
	Cols     uint16 `json:"cols"`            // the size that the terminal has, 1 to 1000
	Rows     uint16 `json:"rows"`
}

// Why a recording ended.
const (
	EndedStopped = "stopped" // by who asked
	EndedExit    = "exit"    // the program has ended
	EndedSize    = "size"    // the file is as long as it may be
	EndedTime    = "time"    // it lasted as long as it may
	EndedServer  = "server"  // the server stopped
	EndedFailure = "failure" // the terminal or the disk could not be read or written
)

// Recording is what a terminal showed, and what its container wrote meanwhile:
// an asciicast v2. The event recording carries one; that of a deleted one has
// null.
type Recording struct {
	ID            string    `json:"id"`
	Container     string    `json:"container"` // its id; it may be gone
	ContainerName string    `json:"containerName"`
	Terminal      string    `json:"terminal"` // the exec, "" for the container's command
	Title         string    `json:"title"`
	Cols          uint16    `json:"cols"`
	Rows          uint16    `json:"rows"`
	StartedAt     time.Time `json:"startedAt"`
	Seconds       float64   `json:"seconds"` // of what is recorded; 0 while it runs
	Bytes         int64     `json:"bytes"`   // of the file; 0 while it runs
	Ended         string    `json:"ended"`   // why; "" while it runs
}

// RecordingList answers GET /recordings, newest first.
type RecordingList struct {
	Recordings []Recording `json:"recordings"`
	MaxBytes   int64       `json:"maxBytes"`   // of one recording
	MaxSeconds int64       `json:"maxSeconds"` // of one recording
}
