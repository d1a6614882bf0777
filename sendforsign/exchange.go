package sendforsign

import (
	"errors"
	"time"
)

// Exchange is what can be told of a call: nothing that was sent, and nothing that came back.
type Exchange struct {
	// Endpoint and Action are as in Error.
	Endpoint, Action string
	// Status is the HTTP status; 0 if there was no answer.
	Status int
	// Duration is how long the call took, as this machine measures it.
	Duration time.Duration
	// Err is what the call returned.
	Err error
}

// IsChange reports that the call was to change something at the server.
func (e Exchange) IsChange() bool { return e.Action != "read" && e.Action != "list" }

func (c call) exchange(ans *answer, err error, took time.Duration) Exchange {
	e := Exchange{Endpoint: c.endpoint, Action: c.action, Duration: took, Err: err}
	var failed *Error
	switch {
	case errors.As(err, &failed):
		e.Status = failed.Status
	case ans != nil:
		e.Status = ans.status
	}
	return e
}
