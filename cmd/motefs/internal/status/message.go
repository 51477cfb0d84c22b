package status

// The kinds of lines that `mirror --json` prints.
const (
	MessageStatus  = "status"
	MessageError   = "error"
	MessageSummary = "summary"
	MessageExit    = "exit_error"
)

// Message is a Status as a line among others.
type Message struct {
	MessageType string `json:"message_type"`
	*Status
	// Next is what to do now, in a summary; null: nothing.
	Next *string `json:"next,omitempty"`
}

// FailureMessage is a file that could not be fetched, as a line among others.
type FailureMessage struct {
	MessageType string `json:"message_type"` // error
	Failure
}
