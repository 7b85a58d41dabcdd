/** A short run of the fuzz loop with fixed numbers; `npm run fuzz` goes on for as long as it is told. */
import { describe, expect, it } from 'vitest'
import { fuzz } from '../../fuzz/loop.js'
import { makeTargets, type TargetName } from '../../fuzz/targets.js'

describe('readers and validator under fuzz', () => {
  const targets = makeTargets()

  it.each(Object.keys(targets) as TargetName[])('%s', async (name) => {
    const { failure, inputs } = await fuzz({ [name]: targets[name] }, 1, (done) => done < 250)
    expect(failure).toBeNull()
    expect(inputs).toBe(250)
  })

  it('stops at an input after which something does not hold, and can repeat it', async () => {
    const broken = {
      ...targets.certificate,
      run: (input: Buffer) => {
        if (input.length % 7 === 0) throw new TypeError('a fault that was planted')
      },
    }
    const { failure } = await fuzz({ certificate: broken }, 1, (done) => done < 1000)
    expect(failure?.reason).toContain('a fault that was planted')
    const again = await fuzz({ certificate: broken }, failure?.seed ?? 0, (done) => done < 1)
    expect(again.failure?.input.equals(failure?.input ?? Buffer.alloc(0))).toBe(true)
  })
})
