package sfstest

import (
	"net/http"
	"strconv"
	"time"
)

// reply is an answer before a fault spoils it.
type reply struct {
	status    int
	body      map[string]any
	effect    bool
	clientKey string // of a client that was made
}

// success is the answer {name: value, "code": …, "message": …} to an action on clients or users; name may be empty.
func (s *Server) success(action, message, name string, value any) reply {
	code, effect := http.StatusCreated, true
	if action == "read" || action == "list" {
		code, effect = http.StatusOK, false
	}
	body := map[string]any{"message": message}
	if name != "" {
		body[name] = value
	}
	s.putCode(body, code, CodesString)
	return reply{status: s.successStatus(code), body: body, effect: effect}
}

func (s *Server) successStatus(documented int) int {
	switch s.behaviour.Statuses {
	case Statuses200:
		return http.StatusOK
	case Statuses201:
		return http.StatusCreated
	}
	return documented
}

// putCode adds the code in the type that the behaviour asks for, or the documented one.
func (s *Server) putCode(body map[string]any, code int, documented Codes) {
	kind := s.behaviour.Codes
	if kind == CodesDocumented {
		kind = documented
	}
	switch kind {
	case CodesNumber:
		body["code"] = code
	case CodesString:
		body["code"] = strconv.Itoa(code)
	}
}

func (s *Server) refuse(status int, message string) reply {
	body := map[string]any{"message": message}
	s.putCode(body, status, CodesNumber)
	return reply{status: status, body: body}
}

// refuseInBody is a refusal that only the code in the body shows.
func refuseInBody(code int, message string) reply {
	return reply{status: http.StatusOK, body: map[string]any{"message": message, "code": code}}
}

func (s *Server) badRequest(message string) reply {
	if s.behaviour.BadRequest == BadRequest200 {
		return refuseInBody(http.StatusBadRequest, message)
	}
	return s.refuse(http.StatusBadRequest, message)
}

func (s *Server) unknownAction(action string) reply {
	if action == "delete" && s.behaviour.Delete == Delete404 {
		return s.refuse(http.StatusNotFound, "Not found")
	}
	return s.badRequest("Unknown action")
}

func (s *Server) notFound(message string) reply {
	switch s.behaviour.NotFound {
	case NotFoundEmpty200:
		return reply{status: http.StatusOK, body: map[string]any{"message": message, "code": "200"}}
	case NotFound200Code404:
		return refuseInBody(http.StatusNotFound, message)
	case NotFound400:
		return s.refuse(http.StatusBadRequest, message)
	}
	return s.refuse(http.StatusNotFound, message)
}

func (s *Server) formatTime(t time.Time) string {
	if s.behaviour.Times == TimesPlain {
		return t.UTC().Format(time.DateTime)
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// matches reports whether an object fits the criteria of a read, pairs of wanted and actual value.
func (s *Server) matches(pairs ...[2]string) bool {
	hits, given := 0, 0
	for _, pair := range pairs {
		want, got := pair[0], pair[1]
		if want == "" {
			continue
		}
		if s.behaviour.Criteria == CriteriaFirst {
			return want == got
		}
		given++
		if want == got {
			hits++
		}
	}
	if s.behaviour.Criteria == CriteriaOr {
		return hits > 0
	}
	return given > 0 && hits == given
}

// pick chooses among the objects that match a read.
func pick[T any](s *Server, found []*T, missing string) (*T, reply) {
	switch {
	case len(found) == 0:
		return nil, s.notFound(missing)
	case len(found) == 1 || s.behaviour.Matches == MatchesFirst:
		return found[0], reply{}
	case s.behaviour.Matches == MatchesLast:
		return found[len(found)-1], reply{}
	case s.behaviour.Matches == Matches400:
		return nil, s.refuse(http.StatusBadRequest, "Several matches")
	}
	return nil, s.refuse(http.StatusNotFound, "Several matches")
}

// change applies one field of an update to target. It returns false where the behaviour refuses the update.
func change(target *string, f field, rule UpdateRule) bool {
	switch {
	case !f.set:
	case rule == UpdateApplied:
		*target = f.value
	case rule == Update400:
		return false
	}
	return true
}

// changeAll applies the fields of an update, or none of them. The customKey is the last one.
func (s *Server) changeAll(targets []*string, fields []field) bool {
	values := make([]string, len(targets))
	for i, f := range fields {
		values[i] = *targets[i]
		rule := UpdateApplied
		switch {
		case f.value == "":
			rule = s.behaviour.EmptyFields
		case i == len(fields)-1 && f.value != values[i]:
			rule = s.behaviour.CustomKeyUpdate
		}
		if !change(&values[i], f, rule) {
			return false
		}
	}
	for i := range targets {
		*targets[i] = values[i]
	}
	return true
}
