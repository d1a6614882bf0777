package sendforsign

import (
	"context"
	"time"
)

// Client is a customer of the account: an organisation or a person, a tenant.
type Client struct {
	// ClientKey is the key that the server gave.
	ClientKey string
	FullName  string
	Email     string
	// Organization is the name of the organisation.
	Organization string
	// CustomKey is a key of the caller's own. Nothing says that the server keeps it unique.
	CustomKey string
	// Multiple says that the client has users. Lists alone hold it.
	Multiple bool
	// CreateTime and ChangeTime are in UTC, and zero where the answer holds none that can be read.
	CreateTime, ChangeTime time.Time
	// Users are in the answer to a creation only.
	Users []User
}

// ClientFields are what a caller may set. Empty ones are not sent: what the server makes of an empty value is not
// documented, so a field cannot be cleared.
type ClientFields struct {
	FullName     string       `json:"fullname,omitempty"`
	Email        string       `json:"email,omitempty"`
	Organization string       `json:"organization,omitempty"`
	CustomKey    string       `json:"customKey,omitempty"`
	Users        []UserFields `json:"users,omitempty"`
}

// ClientQuery chooses a client; empty fields are not sent. Give one field: how the server combines several, and which one
// it answers if several clients match, is not documented. Compare the answer with the question.
type ClientQuery struct {
	ClientKey    string `json:"clientKey,omitempty"`
	FullName     string `json:"fullname,omitempty"`
	Email        string `json:"email,omitempty"`
	Organization string `json:"organization,omitempty"`
	CustomKey    string `json:"customKey,omitempty"`
}

type clientRequest struct {
	Action string `json:"action"`
	Client any    `json:"client,omitempty"`
}

func clientCall(auth Auth, action string, client any) call {
	return call{
		endpoint: "client",
		action:   action,
		auth:     &auth,
		body:     enclosed(clientRequest{Action: action, Client: client}),
	}
}

// CreateClient makes a client; at least one field must be set. The answer holds the keys and times of the client and its
// users, and nothing of what was sent; the order of the users is most likely that of the request.
//
// A second call makes a second client: after an error for which IsUnknownOutcome is true, look for the first.
func (a *API) CreateClient(ctx context.Context, auth Auth, f ClientFields) (Client, error) {
	return a.oneClient(ctx, clientCall(auth, "create", f))
}

// ReadClient finds one client. With a client token an empty query means the client of the token.
func (a *API) ReadClient(ctx context.Context, auth Auth, q ClientQuery) (Client, error) {
	return a.oneClient(ctx, clientCall(auth, "read", q))
}

func (a *API) oneClient(ctx context.Context, c call) (Client, error) {
	c.holds = func(ans *answer) error { return ans.Client.ClientKey.check() }
	ans, err := a.do(ctx, c)
	if err != nil {
		return Client{}, err
	}
	return ans.Client.client(), nil
}

// ListClients returns all clients of the account: the API has no pages. Some servers may answer 404 where there are none.
func (a *API) ListClients(ctx context.Context, auth Auth) ([]Client, error) {
	c := clientCall(auth, "list", nil)
	c.list = true
	c.holds = func(ans *answer) error { return presence(ans.Clients.present) }
	ans, err := a.do(ctx, c)
	if err != nil {
		return nil, err
	}
	clients := make([]Client, 0, len(ans.Clients.items))
	for _, w := range ans.Clients.items {
		clients = append(clients, w.client())
	}
	return clients, nil
}

// UpdateClient changes the fields that are not empty. Users are not sent: the API has no such field here.
func (a *API) UpdateClient(ctx context.Context, auth Auth, clientKey string, f ClientFields) error {
	_, err := a.do(ctx, clientCall(auth, "update", ClientQuery{
		ClientKey:    clientKey,
		FullName:     f.FullName,
		Email:        f.Email,
		Organization: f.Organization,
		CustomKey:    f.CustomKey,
	}))
	return err
}
