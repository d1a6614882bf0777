package sfstest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// field is a string of a request that can be told from an absent one: an update with "" or null sets it.
type field struct {
	set   bool
	value string
}

func (f *field) UnmarshalJSON(raw []byte) error {
	f.set = true
	return json.Unmarshal(raw, &f.value)
}

type userPayload struct {
	UserKey   field `json:"userKey"`
	FullName  field `json:"fullname"`
	Email     field `json:"email"`
	CustomKey field `json:"customKey"`
}

type clientPayload struct {
	ClientKey    field          `json:"clientKey"`
	FullName     field          `json:"fullname"`
	Email        field          `json:"email"`
	Organization field          `json:"organization"`
	CustomKey    field          `json:"customKey"`
	Users        *[]userPayload `json:"users"`
}

func (p *userPayload) isEmpty() bool {
	return p.FullName.value == "" && p.Email.value == "" && p.CustomKey.value == ""
}

func (p *clientPayload) isEmpty() bool {
	return p.FullName.value == "" && p.Email.value == "" && p.Organization.value == "" && p.CustomKey.value == "" &&
		(p.Users == nil || len(*p.Users) == 0)
}

// payload is what all calls together may hold, less the envelope.
type payload struct {
	Action      string         `json:"action"`
	APIKey      field          `json:"apiKey"`
	Secret      field          `json:"secret"`
	AccessToken field          `json:"access_token"`
	ClientKey   field          `json:"clientKey"`
	UserKey     field          `json:"userKey"` // sent by the vendor's own components; ignored
	Client      *clientPayload `json:"client"`
	User        *userPayload   `json:"user"`
}

// parsed is a request whose body was JSON of the right form.
type parsed struct {
	payload
	wrapped bool
}

// parse reads a body strictly: a field that no page documents is an error of the client, and a test should say so.
func parse(body []byte) (parsed, error) {
	var outer map[string]json.RawMessage
	if err := json.Unmarshal(body, &outer); err != nil || outer == nil {
		return parsed{}, errors.New("body is not a JSON object")
	}
	p := parsed{}
	if data, ok := outer["data"]; ok {
		if len(outer) > 1 {
			return parsed{}, errors.New("there are fields beside data")
		}
		body, p.wrapped = data, true
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p.payload); err != nil {
		return parsed{}, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return parsed{}, errors.New("there is something after the JSON object")
	}
	return p, nil
}

// customKey is the key by which faults and the call log know the request.
func (p *payload) customKey() string {
	switch {
	case p.Client != nil:
		return p.Client.CustomKey.value
	case p.User != nil:
		return p.User.CustomKey.value
	}
	return ""
}

func (p *payload) clientKey() string {
	if p.Client != nil && p.Client.ClientKey.value != "" {
		return p.Client.ClientKey.value
	}
	return p.ClientKey.value
}
