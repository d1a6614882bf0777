package sfstest

import (
	"net/http"
	"time"

	"github.com/sendforsign/sfs-operator/sendforsign"
)

// user is a person of a tenant.
type user struct {
	userKey, fullName, email, customKey string
	isDefault                           bool
	automatic                           bool // made by the server itself
	created, changed                    time.Time
}

func newUser(p *userPayload, now time.Time) *user {
	return &user{
		userKey:   newKey(),
		fullName:  p.FullName.value,
		email:     p.Email.value,
		customKey: p.CustomKey.value,
		created:   now,
		changed:   now,
	}
}

func (u *user) snapshot() sendforsign.User {
	return sendforsign.User{
		UserKey:    u.userKey,
		FullName:   u.fullName,
		Email:      u.email,
		CustomKey:  u.customKey,
		Default:    u.isDefault,
		CreateTime: u.created,
		ChangeTime: u.changed,
	}
}

// Users returns the users of a client, in the order of creation.
func (s *Server) Users(clientKey string) []sendforsign.User {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.byKey[clientKey]
	if !ok {
		return nil
	}
	return c.snapshot().Users
}

// wireUser is a user in the answers to read and list, which do not say who is the default one.
type wireUser struct {
	CreateTime string `json:"createTime"`
	ChangeTime string `json:"changeTime"`
	UserKey    string `json:"userKey"`
	FullName   string `json:"fullname"`
	Email      string `json:"email"`
	CustomKey  string `json:"customKey"`
}

func (s *Server) wireUser(u *user) wireUser {
	return wireUser{
		CreateTime: s.formatTime(u.created),
		ChangeTime: s.formatTime(u.changed),
		UserKey:    u.userKey,
		FullName:   u.fullName,
		Email:      u.email,
		CustomKey:  u.customKey,
	}
}

func (s *Server) serveUser(r *http.Request, p parsed) reply {
	who, rep := s.byAny(r)
	if who.account == nil {
		return rep
	}
	if !p.wrapped {
		return s.badRequest("data is required")
	}
	key := p.ClientKey.value
	switch {
	case who.isClient():
		if key != "" && key != who.token.clientKey {
			return s.forbidden()
		}
		key = who.token.clientKey
	case who.token != nil && s.behaviour.Auth != AuthPlatformOnUsers:
		return s.forbidden()
	case key == "":
		return s.badRequest("clientKey is required")
	}
	c := s.byKey[key]
	switch {
	case p.Action != "create" && p.Action != "read" && p.Action != "list" && p.Action != "update":
		return s.unknownAction(p.Action)
	case c == nil || c.account != who.account:
		return s.notFound("Client not found")
	case p.Action == "list":
		return s.listUsers(c)
	case p.User == nil:
		return s.badRequest("user is required")
	case p.Action == "create":
		return s.createUser(c, p.User)
	case p.Action == "read":
		return s.readUser(c, p.User)
	}
	return s.updateUser(c, p.User)
}

func (s *Server) createUser(c *tenant, p *userPayload) reply {
	if p.isEmpty() || p.UserKey.set {
		return s.badRequest("user needs a field, and no userKey")
	}
	u := newUser(p, s.Now())
	c.users = append(c.users, u)
	return s.success("create", "User created", "user",
		map[string]any{"createTime": s.formatTime(u.created), "userKey": u.userKey})
}

func (s *Server) readUser(c *tenant, p *userPayload) reply {
	if p.isEmpty() && p.UserKey.value == "" {
		return s.badRequest("user needs a field")
	}
	var found []*user
	for _, u := range c.users {
		if s.matches(
			[2]string{p.UserKey.value, u.userKey},
			[2]string{p.FullName.value, u.fullName},
			[2]string{p.Email.value, u.email},
			[2]string{p.CustomKey.value, u.customKey},
		) {
			found = append(found, u)
		}
	}
	u, rep := pick(s, found, "User not found")
	if u == nil {
		return rep
	}
	return s.success("read", "User found", "user", s.wireUser(u))
}

func (s *Server) listUsers(c *tenant) reply {
	wires := []wireUser{}
	for _, u := range c.users {
		wires = append(wires, s.wireUser(u))
	}
	if len(wires) == 0 && s.behaviour.EmptyList == EmptyList404 {
		return s.refuse(http.StatusNotFound, "Users not found")
	}
	return s.success("list", "Users found", "users", ordered(s, wires))
}

func (s *Server) updateUser(c *tenant, p *userPayload) reply {
	if p.UserKey.value == "" {
		return s.badRequest("user needs a userKey")
	}
	for _, u := range c.users {
		if u.userKey != p.UserKey.value {
			continue
		}
		if !s.changeAll(
			[]*string{&u.fullName, &u.email, &u.customKey},
			[]field{p.FullName, p.Email, p.CustomKey},
		) {
			return s.refuse(http.StatusBadRequest, "Field cannot be changed so")
		}
		u.changed = s.Now()
		return s.success("update", "User updated", "user",
			map[string]any{"changeTime": s.formatTime(u.changed), "userKey": u.userKey})
	}
	return s.notFound("User not found")
}
