// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sendforsign

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sendforsign/sfs-operator/internal/wire"
)

// A list holds all clients of an account on one page, and may be long. It is decoded item by item, so that memory is
// taken by what it lists and not by its text, whatever a server sends in its place.
const (
	maxList  = 64 << 20
	maxItems = 250_000
)

var errTooMany = fmt.Errorf("%w: it lists more than %d", wire.ErrUnreadable, maxItems)

// decodeList decodes the answer to a list call. What is not a list in it is returned as well, as the text of an object.
func decodeList(body io.Reader) (a answer, rest []byte, err error) {
	in := &rationed{from: body, left: maxList}
	decoder := json.NewDecoder(in)
	others := map[string]json.RawMessage{}
	kept := 0
	var clients list[wireClient]
	var users list[wireUser]
	err = decodeFields(decoder, in, func(name string) error {
		switch strings.ToLower(name) {
		case "clients":
			return decodeItems(decoder, in, &clients, func(c *wireClient) error { return c.ClientKey.check() })
		case "users":
			return decodeItems(decoder, in, &users, func(u *wireUser) error { return u.UserKey.check() })
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return err
		}
		if kept += len(value); kept > wire.MaxAnswer {
			return errLarge
		}
		others[name] = value
		return nil
	})
	// A refusal may be malformed but for its code.
	rest, _ = json.Marshal(others)
	a, wrong := decodeAnswer(rest)
	if err == nil {
		err = wrong
	}
	a.Clients, a.Users = clients, users
	switch {
	case in.err != nil && !errors.Is(in.err, wire.ErrUnreadable):
		err = fmt.Errorf("%w: %w", wire.ErrUnreadable, in.err)
	case in.err != nil:
		err = in.err
	case err != nil && !errors.Is(err, errNoKey) && !errors.Is(err, errOddKey) && !errors.Is(err, wire.ErrUnreadable):
		err = errMalformed
	}
	return a, rest, err
}

// decodeFields calls decode at the value of each field of the one object that there is.
func decodeFields(decoder *json.Decoder, in *rationed, decode func(name string) error) error {
	in.ration = wire.MaxAnswer
	if begin, err := decoder.Token(); err != nil || begin != json.Delim('{') {
		return errMalformed
	}
	for decoder.More() {
		in.ration = wire.MaxAnswer
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		if err := decode(name.(string)); err != nil { // the decoder lets nothing else be the name of a field
			return err
		}
	}
	if _, err := decoder.Token(); err != nil { // the closing brace
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errMalformed
	}
	return nil
}

// decodeItems decodes the items of an array, or null. The first that does not pass the check ends it.
func decodeItems[T any](decoder *json.Decoder, in *rationed, into *list[T], check func(*T) error) error {
	begin, err := decoder.Token()
	if err != nil {
		return err
	}
	*into = list[T]{present: true}
	if begin == nil {
		return nil
	}
	if begin != json.Delim('[') {
		return errMalformed
	}
	for decoder.More() {
		if len(into.items) == maxItems {
			return errTooMany
		}
		in.ration = wire.MaxAnswer
		var item T
		if err := decoder.Decode(&item); err != nil {
			return err
		}
		if err := check(&item); err != nil {
			return err
		}
		into.items = append(into.items, item)
	}
	_, err = decoder.Token()
	return err
}

// rationed is JSON with no more white space between its tokens than one character, since a decoder keeps all that stands
// together, and no more than the ration that is given for the value at hand.
type rationed struct {
	from   io.Reader
	left   int64 // in all
	ration int64
	err    error // what ended the reading, other than the end

	quoted, escaped, spaced bool
}

var (
	errLong  = fmt.Errorf("%w: it is longer than %d bytes", wire.ErrUnreadable, maxList)
	errLarge = fmt.Errorf("%w: a value in it is longer than %d bytes", wire.ErrUnreadable, wire.MaxAnswer)
)

func (r *rationed) Read(p []byte) (int, error) {
	for {
		n, err := r.from.Read(p[:min(len(p), 32<<10)])
		if r.left -= int64(n); r.left < 0 {
			err = errLong
		}
		kept := r.squeeze(p[:n])
		if r.ration -= int64(kept); r.ration < 0 {
			err = errLarge
		}
		if err != nil && !errors.Is(err, io.EOF) {
			r.err = err
			return 0, err
		}
		if kept > 0 || err != nil {
			return kept, err
		}
	}
}

// squeeze moves what is to be kept to the front.
func (r *rationed) squeeze(p []byte) int {
	kept := 0
	for _, c := range p {
		space := !r.quoted && (c == ' ' || c == '\t' || c == '\r' || c == '\n')
		if space && r.spaced {
			continue
		}
		r.spaced = space
		switch {
		case r.escaped:
			r.escaped = false
		case r.quoted && c == '\\':
			r.escaped = true
		case c == '"':
			r.quoted = !r.quoted
		}
		p[kept] = c
		kept++
	}
	return kept
}
