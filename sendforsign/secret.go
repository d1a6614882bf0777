package sendforsign

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"

	"github.com/sendforsign/sfs-operator/secret"
)

// Secret is a string that is never printed.
type Secret = secret.Text

const redacted = secret.Redacted

// Credentials are the API key and the secret of a Sendforsign account, from the "API Keys" tab of its dashboard.
type Credentials struct {
	APIKey Secret
	Secret Secret
}

// String returns "[redacted]".
func (c Credentials) String() string { return redacted }

// GoString returns "[redacted]".
func (c Credentials) GoString() string { return redacted }

// Format writes "[redacted]" for every verb.
func (c Credentials) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalJSON returns "[redacted]" as a JSON string.
func (c Credentials) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// LogValue returns "[redacted]".
func (c Credentials) LogValue() slog.Value { return slog.StringValue(redacted) }

// maxRemembered is how many credentials are remembered: those of one account, and of a rotation or two.
const maxRemembered = 8

// remembered are the credentials of the account that were sent last. The server knows them, and may name them in an
// answer to a call that did not carry them.
type remembered struct {
	mu      sync.Mutex
	secrets []Secret
}

// with notes the credentials of the account that a call carries, and adds all that are remembered to its secrets.
func (r *remembered) with(c call, secrets []Secret) []Secret {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.auth == nil || c.auth.isAPIKey() {
		for _, s := range secrets {
			if !slices.Contains(r.secrets, s) {
				r.secrets = append(r.secrets, s)
			}
		}
		r.secrets = r.secrets[max(len(r.secrets)-maxRemembered, 0):]
	}
	return slices.Concat(secrets, r.secrets)
}
