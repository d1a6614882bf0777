package sfstest

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/sendforsign/sfs-operator/sendforsign"
)

// tenant is a client of an account.
type tenant struct {
	account                                             *account
	clientKey, fullName, email, organization, customKey string
	created, changed                                    time.Time
	users                                               []*user
}

// multiple reports whether it has users besides one that the server made by itself.
func (c *tenant) multiple() bool {
	return slices.ContainsFunc(c.users, func(u *user) bool { return !u.automatic })
}

func (c *tenant) snapshot() sendforsign.Client {
	out := sendforsign.Client{
		ClientKey:    c.clientKey,
		FullName:     c.fullName,
		Email:        c.email,
		Organization: c.organization,
		CustomKey:    c.customKey,
		Multiple:     c.multiple(),
		CreateTime:   c.created,
		ChangeTime:   c.changed,
	}
	for _, u := range c.users {
		out.Users = append(out.Users, u.snapshot())
	}
	return out
}

// Clients returns the clients of all accounts with their users, in the order of creation.
func (s *Server) Clients() []sendforsign.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]sendforsign.Client, 0, len(s.clients))
	for _, c := range s.clients {
		out = append(out, c.snapshot())
	}
	return out
}

// RemoveClient makes a client disappear, as the vendor's support might: no call of the API does. Its tokens live on, but
// there is nothing left for them to reach.
func (s *Server) RemoveClient(clientKey string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.byKey[clientKey]
	if !ok {
		return
	}
	isIt := func(other *tenant) bool { return other == c }
	delete(s.byKey, clientKey)
	s.clients = slices.DeleteFunc(s.clients, isIt)
	c.unindex()
}

// index and unindex keep the account's table of customKeys.
func (c *tenant) index() {
	if c.customKey != "" {
		c.account.byCustomKey[c.customKey] = append(c.account.byCustomKey[c.customKey], c)
	}
}

func (c *tenant) unindex() {
	table := c.account.byCustomKey
	left := slices.DeleteFunc(table[c.customKey], func(other *tenant) bool { return other == c })
	if table[c.customKey] = left; len(left) == 0 {
		delete(table, c.customKey)
	}
}

// wireClient is a client in the answers to read and list.
type wireClient struct {
	CreateTime   string `json:"createTime"`
	ChangeTime   string `json:"changeTime"`
	ClientKey    string `json:"clientKey"`
	FullName     string `json:"fullname"`
	Email        string `json:"email"`
	Organization string `json:"organization"`
	CustomKey    string `json:"customKey"`
	Multiple     *bool  `json:"multiple,omitempty"` // in lists only
}

func (s *Server) wireClient(c *tenant) wireClient {
	return wireClient{
		CreateTime:   s.formatTime(c.created),
		ChangeTime:   s.formatTime(c.changed),
		ClientKey:    c.clientKey,
		FullName:     c.fullName,
		Email:        c.email,
		Organization: c.organization,
		CustomKey:    c.customKey,
	}
}

func (s *Server) serveClient(r *http.Request, p parsed) reply {
	who, rep := s.byAny(r)
	switch {
	case who.account == nil:
		return rep
	case !p.wrapped:
		return s.badRequest("data is required")
	case who.isClient() && p.Action != "read":
		return s.forbidden()
	case p.Action == "list":
		return s.listClients(who)
	case p.Action != "create" && p.Action != "read" && p.Action != "update":
		return s.unknownAction(p.Action)
	case p.Client == nil:
		return s.badRequest("client is required")
	case p.Action == "create":
		return s.createClient(who, p.Client)
	case p.Action == "read":
		return s.readClient(who, p.Client)
	}
	return s.updateClient(who, p.Client)
}

func (s *Server) createClient(who caller, p *clientPayload) reply {
	if p.isEmpty() || p.ClientKey.set {
		return s.badRequest("client needs a field, and no clientKey")
	}
	if same := who.account.byCustomKey[p.CustomKey.value]; len(same) > 0 {
		switch s.behaviour.CustomKeys {
		case CustomKeys400:
			return s.refuse(http.StatusBadRequest, "customKey exists")
		case CustomKeys409:
			return s.refuse(http.StatusConflict, "customKey exists")
		case CustomKeysExisting:
			rep := s.createdClient(same[0])
			rep.effect = false
			return rep
		}
	}

	now := s.Now()
	c := &tenant{
		account:      who.account,
		clientKey:    newKey(),
		fullName:     p.FullName.value,
		email:        p.Email.value,
		organization: p.Organization.value,
		customKey:    p.CustomKey.value,
		created:      now,
		changed:      now,
	}
	var given []userPayload
	if p.Users != nil {
		given = *p.Users
	}
	if len(given) == 0 && s.behaviour.DefaultUser != DefaultUserNone ||
		len(given) > 0 && s.behaviour.DefaultFlag == DefaultExtra {
		c.users = append(c.users, &user{userKey: newKey(), automatic: true, created: now, changed: now})
	}
	for i := range given {
		c.users = append(c.users, newUser(&given[i], now))
	}
	if len(c.users) > 0 {
		c.users[0].isDefault = true
	}

	s.clients = append(s.clients, c)
	s.byKey[c.clientKey] = c
	c.index()
	return s.createdClient(c)
}

func (s *Server) createdClient(c *tenant) reply {
	body := map[string]any{"createTime": s.formatTime(c.created), "clientKey": c.clientKey}
	if len(c.users) > 0 && (c.multiple() || s.behaviour.DefaultUser != DefaultUserHidden) {
		users := make([]map[string]any, 0, len(c.users))
		for _, u := range c.users {
			w := map[string]any{"createTime": s.formatTime(u.created), "userKey": u.userKey}
			if u.isDefault {
				w["default"] = true
			}
			users = append(users, w)
		}
		body["users"] = users
	}
	rep := s.success("create", "Client created", "client", body)
	rep.clientKey = c.clientKey
	return rep
}

func (s *Server) readClient(who caller, p *clientPayload) reply {
	q := [...]string{p.ClientKey.value, p.FullName.value, p.Email.value, p.Organization.value, p.CustomKey.value}
	empty := q == [5]string{}
	if empty && !who.isClient() {
		return s.badRequest("client needs a field")
	}
	var found []*tenant
	for _, c := range s.candidates(who, q) {
		if c.account == who.account && (empty || s.matches(
			[2]string{q[0], c.clientKey},
			[2]string{q[1], c.fullName},
			[2]string{q[2], c.email},
			[2]string{q[3], c.organization},
			[2]string{q[4], c.customKey},
		)) {
			found = append(found, c)
		}
	}
	c, rep := pick(s, found, "Client not found")
	if c == nil {
		return rep
	}
	return s.success("read", "Client found", "client", s.wireClient(c))
}

// candidates narrows the clients down by key, so that a read does not walk through all of them.
func (s *Server) candidates(who caller, q [5]string) []*tenant {
	key := q[0]
	if who.isClient() {
		key = who.token.clientKey
	}
	byCustomKeyOnly := q == [5]string{4: q[4]}
	switch {
	case who.isClient(), key != "" && s.behaviour.Criteria != CriteriaOr:
		if c := s.byKey[key]; c != nil {
			return []*tenant{c}
		}
		return nil
	case byCustomKeyOnly, q[4] != "" && s.behaviour.Criteria == CriteriaAnd:
		return who.account.byCustomKey[q[4]]
	}
	return s.clients
}

func (s *Server) listClients(who caller) reply {
	wires := []wireClient{}
	for _, c := range s.clients {
		if c.account == who.account {
			w, multiple := s.wireClient(c), c.multiple()
			w.Multiple = &multiple
			wires = append(wires, w)
		}
	}
	if len(wires) == 0 && s.behaviour.EmptyList == EmptyList404 {
		return s.refuse(http.StatusNotFound, "Clients not found")
	}
	return s.success("list", "Clients found", "clients", ordered(s, wires))
}

// ordered applies the behaviour of lists.
func ordered[T any](s *Server, items []T) []T {
	if s.behaviour.ListOrder == ListShuffled {
		rand.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	}
	if limit := s.behaviour.ListLimit; limit > 0 && len(items) > limit {
		items = items[:limit]
	}
	return items
}

func (s *Server) updateClient(who caller, p *clientPayload) reply {
	if p.ClientKey.value == "" || p.Users != nil {
		return s.badRequest("client needs a clientKey, and no users")
	}
	c := s.byKey[p.ClientKey.value]
	if c == nil || c.account != who.account {
		return s.notFound("Client not found")
	}
	c.unindex()
	ok := s.changeAll(
		[]*string{&c.fullName, &c.email, &c.organization, &c.customKey},
		[]field{p.FullName, p.Email, p.Organization, p.CustomKey},
	)
	c.index()
	if !ok {
		return s.refuse(http.StatusBadRequest, "Field cannot be changed so")
	}
	c.changed = s.Now()
	return s.success("update", "Client updated", "client",
		map[string]any{"changeTime": s.formatTime(c.changed), "clientKey": c.clientKey})
}
