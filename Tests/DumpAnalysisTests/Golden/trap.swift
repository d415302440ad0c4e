// A program that asks for an element behind the end: source of trap.elf.

@inline(never)
func element(_ index: Int, of values: InlineArray<4, Int>) -> Int {
  values[index]
}

@inline(never)
func total(_ last: Int) -> Int {
  var sum = 0
  for index in 0...last { sum += element(index, of: [7, 11, 13, 17]) }
  return sum
}

@c public func run(_ last: Int32) -> Int32 {
  Int32(truncatingIfNeeded: total(Int(last)))
}
