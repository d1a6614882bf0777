package sendforsign

import (
	"context"
	"errors"
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
	c := userCall(auth, "create", clientKey, f)
	ans, err := a.do(ctx, c)
	if err != nil {
		return User{}, err
	}
	if err := ans.User.UserKey.check(); err != nil {
		return User{}, c.fail(kindNoAnswer, ans.status, err)
	}
	return ans.User.user(), nil
}

// ReadUser finds one user of a client.
func (a *API) ReadUser(ctx context.Context, auth Auth, clientKey string, q UserQuery) (User, error) {
	c := userCall(auth, "read", clientKey, q)
	ans, err := a.do(ctx, c)
	if err != nil {
		return User{}, err
	}
	switch err := ans.User.UserKey.check(); {
	case errors.Is(err, errNoKey):
		return User{}, c.fail(kindAbsent, ans.status, err)
	case err != nil:
		return User{}, c.fail(kindNoAnswer, ans.status, err)
	}
	return ans.User.user(), nil
}

// ListUsers returns all users of a client.
func (a *API) ListUsers(ctx context.Context, auth Auth, clientKey string) ([]User, error) {
	c := userCall(auth, "list", clientKey, nil)
	c.list = true
	ans, err := a.do(ctx, c)
	if err != nil {
		return nil, err
	}
	if !ans.Users.present {
		return nil, c.fail(kindNoAnswer, ans.status, errMalformed)
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
