package sendforsign

import (
	"errors"
	"net/http"

	"github.com/sendforsign/sfs-operator/internal/wire"
)

// Auth is a credential of a client or user call; make one with PlatformToken, ClientToken or APIKey. Both ways to
// authenticate, token and key, are taught by the vendor's pages (https://about.sendforsign.com/api-reference/authentication).
//
// The credential is kept in a function, so that no way of printing an Auth, nor a struct around it, shows it.
type Auth struct {
	secret func() Secret
	header string
	prefix string
	// named calls are told in the body whose users are meant; a client token says that by itself.
	named bool
}

const keyHeader = "X-Sendforsign-Key"

// PlatformToken authenticates as the account, for calls on all of its clients.
func PlatformToken(t Secret) Auth {
	return Auth{secret: func() Secret { return t }, header: "Authorization", prefix: "Bearer ", named: true}
}

// ClientToken authenticates as one client. The clientKey of a user call is not sent: the token says it.
func ClientToken(t Secret) Auth {
	return Auth{secret: func() Secret { return t }, header: "Authorization", prefix: "Bearer "}
}

// APIKey authenticates with the API key of the account. User calls send the clientKey with it.
func APIKey(k Secret) Auth {
	return Auth{secret: func() Secret { return k }, header: keyHeader, named: true}
}

// clientKey returns what a user call says about whose users are meant.
func (a Auth) clientKey(key string) string {
	if a.named {
		return key
	}
	return ""
}

func (a Auth) isAPIKey() bool { return a.header == keyHeader }

func (a Auth) reveal() Secret {
	if a.secret == nil {
		return ""
	}
	return a.secret()
}

// apply sets the header. It refuses what a header cannot carry with a clear word, because a Secret with a newline at its
// end is the most common mistake with credentials in files.
func (a Auth) apply(h http.Header) error {
	value := a.reveal().Reveal()
	if value == "" {
		return errors.New("credential is empty")
	}
	if !wire.IsHeaderSafe(value) {
		return errors.New("credential holds a space, a line break or another character that a header cannot carry")
	}
	h.Set(a.header, a.prefix+value)
	return nil
}
