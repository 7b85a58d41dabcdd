/**
 * Words and phrases that an engineer who is not a native speaker stumbles over, or that have another meaning in the field. Each
 * has a plain one: reported, byte, comment, fix, again, indefinitely, the caller, validated, verified, result, next to, no client,
 * sent, although, accepts, requires, backend, login, terminates TLS, forwards, only.
 */
export const DISLIKED = new RegExp(
  `\\b(?:${[
    'told|octets?|remarks?|mend(?:s|ed|ing)?|anew|for ever|whoever|whomever|none that|greeted|judge[sd]?|judging|proved?|verdicts?',
    'beside|nobody|whom|whence|thereby|thereof|hence|lest|hither|amongst|whilst|alike|for want of|all the same|sent along|for granted',
    'turns? back|came furthest|by itself|out of step|bring along|brings along|brought along|minds|hurts?',
    'ends TLS|back end|log-in|pass(?:es)? [A-Za-z]+ on|is no (?:CA|client|server|leaf|answer)|speaks of|in the place of|half way',
  ].join('|')})\\b`,
  'i',
)
