/**
 * The rule `test-title`: the title of a test is a sentence that makes sense without its `describe`. It begins with a verb in the third
 * person, whose subject is the code under test, or with a noun phrase and has a verb after it. The first `%s` of an `it.each` stands
 * for the first column of its table, if that is written there or in a constant of the file.
 */

/** Words that hide the actor. */
const HIDING = new Set('what nobody somebody those whoever'.split(' '))
/** Words that continue the sentence of the `describe`. */
const CONTINUING = new Set(
  `it that this these they which who whatever and or but nor also even not only is are was were be has have had can cannot could may might must
  shall will would do did about above after against among around as at because before behind below beneath between beyond by
  despite down during for from if in inside into like near of off on onto out outside over past per since than through to toward
  towards under unless until up upon via when where whether while with within without`.split(/\s+/),
)
const ADVERBS = new Set('always never'.split(' '))
const AUXILIARIES = new Set(
  `is are was were has have had can cannot may might must will would does do did needs need`.split(/\s+/),
)
/** Verbs of titles; a title with a verb that is not here adds it. */
const VERBS =
  `abort accept acknowledge act add advertise agree allow alternate announce answer append apply arrange arrive ask attempt
  authenticate await become begin belong bind blame block break bring build bundle call cancel carry cause change check
  choose cite clean clear close collect combine come compare compile complain complete compress connect contain continue
  convert copy correct cost count cover create cut decide declare decode decrypt deduce default defer define delay delete
  deliver demand deny depend derive describe detect dial differ disable discard discover dispose distinguish double drain
  draw drop elapse elect emit enable encode encrypt end enforce ensure enter escape evict exceed exchange exclude execute
  exist exit expand expect expire explain export extend fail fall favor fetch fill find finish fit fix flush fold follow
  forbid forget form format free generate get give go grant group grow guard hand handle hang happen hash heal heed help
  hide hold identify ignore import include indicate inform inherit insert install intercept interrupt invalidate invent
  issue join keep know lack lapse last lead leak leave let lie limit link lint list live load lock log look lose lower
  maintain make manage map mark match mean measure mention merge migrate mix modify mount move name narrow need negotiate
  notice notify number obey object observe obtain occur offer omit open order outlive overflow overlap overwrite owe own pad parse
  pass pause permit pick pin place point poll populate prefer prepare present preserve press prevent print probe produce
  promise propagate protect prove provide publish push put queue quit quote raise rank rate reach read rebuild receive
  recognize recommend reconnect record recover recreate redact refer reflect refuse register reject release reload remain
  remove render renew reorder repeat replace replicate report represent request require reserve reset resign resolve respond
  restart restore restrict resume retry return reuse revert revoke rewrite roll rotate round route run save say scale scan
  seal search see seem select send separate serve set settle share shift shorten show shrink shut sign simulate skip sleep
  sort span spare speak specify spell spend split spread stand start state stay step stick stop store strip submit subtract
  succeed suffice sum summarize supply support suppress surround survive swap sweep switch sync take target tell test throw
  time tolerate touch trace track transfer transform translate transmit treat trigger trim truncate trust try turn undo
  unlock unpack unset unwrap update upgrade use validate vary verify violate visit wait wake want warn watch widen win work
  wrap write yield`.split(/\s+/)
const THIRD = new Set(VERBS.map(thirdPerson))
const BASE = new Set(VERBS)
/** Base forms that are more often a noun in a title. */
const NOUNS = new Set(
  `answer block call change check copy default draw end exit export fit form format group hand hash key limit link
  list load lock log map mark name number object order pad pause pick point poll press probe promise queue rank rate
  record release report request round route scale scan sleep span state step store strip sum target test
  time touch trace track turn watch work`.split(/\s+/),
)

/** What is wrong with a title, as the end of a sentence; null if nothing is. */
export function faultOf(title) {
  const words = title
    .replaceAll(/`[^`]*`|"[^"]*"|'[^']*'|%[a-zA-Z#]|\$[\w.]+/g, ' Xx ')
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '')
  const [first = ''] = words
  const lower = words.map((word) => word.toLowerCase())
  const hiding = lower.find((word) => HIDING.has(word))
  if (hiding !== undefined) return `hides the actor behind "${hiding}"`
  const start = /^[a-z]+$/.test(first) ? first : 'Xx'
  if (CONTINUING.has(first.toLowerCase())) return `begins with "${first}", which continues another sentence`
  if (ADVERBS.has(start) ? THIRD.has(lower[1]) : THIRD.has(start) || start === 'does') {
    return words.length < 2 ? 'is not a sentence' : null
  }
  if (BASE.has(start) && !NOUNS.has(start)) return `begins with "${first}", which continues another sentence`
  const hasVerb = lower
    .slice(1)
    .some((word) => AUXILIARIES.has(word) || THIRD.has(word) || (BASE.has(word) && !NOUNS.has(word)))
  return hasVerb ? null : 'has no verb'
}

function thirdPerson(verb) {
  if (/[^aeiou]y$/.test(verb)) return verb.replace(/y$/, 'ies')
  return /(?:s|x|z|ch|sh|o)$/.test(verb) ? `${verb}es` : `${verb}s`
}

/** @type {import("eslint").Rule.RuleModule} */
export const testTitle = {
  meta: {
    type: 'suggestion',
    schema: [],
    messages: {
      title: 'The title "{{ title }}" {{ fault }}: write a sentence that makes sense without its describe.',
    },
  },
  create(context) {
    const check = (node, title) => {
      const fault = faultOf(title)
      if (fault !== null) context.report({ node, messageId: 'title', data: { title, fault } })
    }
    return {
      CallExpression(node) {
        const [first] = node.arguments
        if (first === undefined || node.arguments.length < 2 || rootName(node.callee) !== 'it') return
        const title = textOf(first)
        if (title === null) return
        const rows = /%[a-zA-Z]/.exec(title)?.[0] === '%s' ? rowsOf(node.callee, context.sourceCode) : []
        for (const row of rows)
          check(
            row,
            title.replace('%s', () => textOf(row)),
          )
        if (rows.length === 0) check(first, title)
      },
    }
  },
}

/** `it` of `it.each([…])('…')`. */
function rootName(node) {
  if (node.type === 'Identifier') return node.name
  if (node.type === 'MemberExpression') return rootName(node.object)
  if (node.type === 'CallExpression') return rootName(node.callee)
  return node.type === 'TaggedTemplateExpression' ? rootName(node.tag) : null
}

/** A string, with a placeholder for each expression of a template; null for anything else. */
function textOf(node) {
  if (node.type === 'Literal' && typeof node.value === 'string') return node.value
  return node.type === 'TemplateLiteral' ? node.quasis.map(({ value }) => value.cooked).join('%s') : null
}

/** The first column of the table of `it.each([['…', 1], …])`, as far as it is written there or in a constant of the file. */
function rowsOf(callee, sourceCode) {
  if (callee.type !== 'CallExpression') return []
  let [table] = callee.arguments
  if (table?.type === 'Identifier') table = initialValue(table, sourceCode)
  while (table?.type === 'TSAsExpression') table = table.expression
  if (table?.type !== 'ArrayExpression') return []
  return table.elements
    .map((row) => (row?.type === 'ArrayExpression' ? row.elements[0] : row))
    .filter((first) => first && textOf(first) !== null)
}

/** The initial value of a variable of the file; undefined for anything else. */
function initialValue(identifier, sourceCode) {
  const reference = sourceCode.getScope(identifier).references.find((each) => each.identifier === identifier)
  return reference?.resolved?.defs[0]?.node.init
}
