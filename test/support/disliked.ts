/**
 * Words that an engineer who is not a native speaker stumbles over, or that have another meaning in the field. Each has a plain
 * one: reported, byte, comment, fix, again, indefinitely, the caller, validated, verified, result, next to, no client.
 */
export const DISLIKED =
  /\b(?:told|octets?|remarks?|mend(?:s|ed|ing)?|anew|for ever|whoever|none that|greeted|judge[sd]?|judging|proved?|verdicts?|beside|nobody)\b/i
