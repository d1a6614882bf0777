package sendforsign

import (
	"context"
	"time"
)

// User is a person of a client.
type User struct {
	// UserKey is the key that the server gave.
	UserKey  string
	FullName string
	Email    string
	// CustomKey is a key of the caller's own.
	CustomKey string
	// Default marks the user in whose name the client acts if none is given. Only the answer to the creation of a client
	// holds it.
	Default bool
	// CreateTime and ChangeTime are in UTC, and zero where the answer holds none that can be read.
	CreateTime, ChangeTime time.Time
}

// UserFields are what a caller may set. Empty ones are not sent.
type UserFields struct {
	FullName  string `json:"fullname,omitempty"`
	Email     string `json:"email,omitempty"`
	CustomKey string `json:"customKey,omitempty"`
}

// UserQuery chooses a user; see ClientQuery.
type UserQuery struct {
	UserKey   string `json:"userKey,omitempty"`
	FullName  string `json:"fullname,omitempty"`
	Email     string `json:"email,omitempty"`
	CustomKey string `json:"customKey,omitempty"`
}

type userRequest struct {
	Action    string `json:"action"`
	ClientKey string `json:"clientKey,omitempty"`
	User      any    `json:"user,omitempty"`
}

func userCall(auth Auth, action, clientKey string, user any) call {
	return call{
		endpoint: "user",
		action:   action,
		auth:     &auth,
		body:     enclosed(userRequest{Action: action, ClientKey: auth.clientKey(clientKey), User: user}),
	}
}

// CreateUser makes a user of a client; at least one field must be set. The answer holds the key and the time only.
func (a *API) CreateUser(ctx context.Context, auth Auth, clientKey string, f UserFields) (User, error) {
	return a.oneUser(ctx, userCall(auth, "create", clientKey, f))
}

// ReadUser finds one user of a client.
func (a *API) ReadUser(ctx context.Context, auth Auth, clientKey string, q UserQuery) (User, error) {
	return a.oneUser(ctx, userCall(auth, "read", clientKey, q))
}

func (a *API) oneUser(ctx context.Context, c call) (User, error) {
	c.holds = func(ans *answer) error { return ans.User.UserKey.check() }
	ans, err := a.do(ctx, c)
	if err != nil {
		return User{}, err
	}
	return ans.User.user(), nil
}

// ListUsers returns all users of a client.
func (a *API) ListUsers(ctx context.Context, auth Auth, clientKey string) ([]User, error) {
	c := userCall(auth, "list", clientKey, nil)
	c.list = true
	c.holds = func(ans *answer) error { return presence(ans.Users.present) }
	ans, err := a.do(ctx, c)
	if err != nil {
		return nil, err
	}
	users := make([]User, 0, len(ans.Users.items))
	for _, w := range ans.Users.items {
		users = append(users, w.user())
	}
	return users, nil
}

// UpdateUser changes the fields that are not empty.
func (a *API) UpdateUser(ctx context.Context, auth Auth, clientKey, userKey string, f UserFields) error {
	_, err := a.do(ctx, userCall(auth, "update", clientKey, UserQuery{
		UserKey:   userKey,
		FullName:  f.FullName,
		Email:     f.Email,
		CustomKey: f.CustomKey,
	}))
	return err
}
