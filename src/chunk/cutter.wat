;; Cuts segments into blocks and digests the blocks: the loops over every byte of large files. What they find is what cut.ts and
;; block-digest.ts find, which say why; here stands only how. cutter-code.ts is made of this file by `npm run wat`.
(module
  ;; The numbers of cut.ts.
  (import "cut" "WINDOW" (global $window i32))
  (import "cut" "BLOCK_MIN" (global $blockMin i32))
  (import "cut" "BLOCK_MAX" (global $blockMax i32))
  (import "cut" "BLOCK_THRESHOLD" (global $blockThreshold i32))
  (import "cut" "SEGMENT_MIN" (global $segmentMin i32))
  (import "cut" "SEGMENT_MAX" (global $segmentMax i32))
  (import "cut" "SEGMENT_THRESHOLD" (global $segmentThreshold i32))

  ;; Where everything lies; the host writes the tables and the data, and reads ends and records.
  (global $gear (export "GEAR") i32 (i32.const 0))
  ;; 8192 + 96 bytes of key, then four times three coefficients of eight bytes.
  (global $key (export "KEY") i32 (i32.const 1024))
  (global $coefficients (export "COEFFICIENTS") i32 (i32.const 9312))
  (global $tail i32 (i32.const 9408))
  ;; 8193 of four bytes: where each block ends, in bytes from the start of the segment.
  (global $ends (export "ENDS") i32 (i32.const 9440))
  ;; 8193 of eighteen bytes.
  (global $records (export "RECORDS") i32 (i32.const 42224))
  (global (export "DATA") i32 (i32.const 196608))
  ;; 64 KiB each: three, and 4 MiB of data.
  (memory (export "memory") 67 67)

  ;; Finds the end of the segment that begins at $start, and of its blocks; the data, and so the last segment, end at $end.
  ;; Returns how many blocks there are.
  (func (export "cut") (param $start i32) (param $end i32) (result i32)
    (local $limit i32) (local $mayEnd i32) (local $blocks i32)
    (local $block i32) (local $blockLimit i32) (local $at i32) (local $warm i32) (local $hash i32)
    (local $threshold i32)
    (local.set $threshold (global.get $blockThreshold))
    (local.set $limit (call $min (local.get $end) (i32.add (local.get $start) (global.get $segmentMax))))
    (local.set $mayEnd (i32.add (local.get $start) (global.get $segmentMin)))
    (local.set $block (local.get $start))
    (block $segment
      (loop $next
        (br_if $segment (i32.ge_u (local.get $block) (local.get $limit)))
        (local.set $blockLimit (call $min (local.get $limit) (i32.add (local.get $block) (global.get $blockMax))))
        (local.set $warm (i32.add (local.get $block) (global.get $blockMin)))
        (local.set $at (local.get $blockLimit))
        (if (i32.lt_u (local.get $warm) (local.get $blockLimit))
          (then
            (local.set $at (i32.sub (local.get $warm) (global.get $window)))
            (loop $roll
              (local.set $hash (i32.add (i32.shl (local.get $hash) (i32.const 1))
                (i32.load (i32.shl (i32.load8_u (local.get $at)) (i32.const 2)))))
              (local.set $at (i32.add (local.get $at) (i32.const 1)))
              (br_if $roll (i32.lt_u (local.get $at) (local.get $warm))))
            (block $found
              (loop $seek
                (local.set $hash (i32.add (i32.shl (local.get $hash) (i32.const 1))
                  (i32.load (i32.shl (i32.load8_u (local.get $at)) (i32.const 2)))))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))
                (br_if $found (i32.lt_u (local.get $hash) (local.get $threshold)))
                (br_if $seek (i32.lt_u (local.get $at) (local.get $blockLimit)))))))
        (local.set $block (local.get $at))
        (i32.store (i32.add (global.get $ends) (i32.shl (local.get $blocks) (i32.const 2)))
          (i32.sub (local.get $block) (local.get $start)))
        (local.set $blocks (i32.add (local.get $blocks) (i32.const 1)))
        (br_if $next (i32.or
          (i32.ge_u (local.get $hash) (global.get $segmentThreshold))
          (i32.lt_u (local.get $block) (local.get $mayEnd))))))
    (local.get $blocks))

  ;; Writes the records of the segment's first $count blocks, whose ends are known.
  (func (export "digest") (param $start i32) (param $count i32)
    (local $end i32) (local $lastEnd i32) (local $record i32)
    (local $at i32) (local $blockEnd i32) (local $key i32)
    (local $sum0 v128) (local $sum1 v128) (local $sum2 v128) (local $sum3 v128)
    (local $m0 v128) (local $m1 v128)
    (local.set $end (global.get $ends))
    (local.set $lastEnd (i32.add (local.get $end) (i32.shl (local.get $count) (i32.const 2))))
    (local.set $record (global.get $records))
    (local.set $at (local.get $start))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $end) (local.get $lastEnd)))
        (local.set $blockEnd (i32.add (local.get $start) (i32.load (local.get $end))))
        (i32.store16 offset=16 (local.get $record) (i32.sub (local.get $blockEnd) (local.get $at)))
        (local.set $sum0 (v128.const i64x2 0 0))
        (local.set $sum1 (v128.const i64x2 0 0))
        (local.set $sum2 (v128.const i64x2 0 0))
        (local.set $sum3 (v128.const i64x2 0 0))
        (local.set $key (global.get $key))
        (loop $pair
          (if (i32.ge_u (i32.sub (local.get $blockEnd) (local.get $at)) (i32.const 32))
            (then
              (local.set $m0 (v128.load (local.get $at)))
              (local.set $m1 (v128.load offset=16 (local.get $at))))
            (else
              (memory.fill (global.get $tail) (i32.const 0) (i32.const 32))
              (memory.copy (global.get $tail) (local.get $at) (i32.sub (local.get $blockEnd) (local.get $at)))
              (local.set $m0 (v128.load (global.get $tail)))
              (local.set $m1 (v128.load offset=16 (global.get $tail)))))
          (local.set $sum0 (i64x2.add (local.get $sum0) (call $products
            (i32x4.add (local.get $m0) (v128.load (local.get $key)))
            (i32x4.add (local.get $m1) (v128.load offset=16 (local.get $key))))))
          (local.set $sum1 (i64x2.add (local.get $sum1) (call $products
            (i32x4.add (local.get $m0) (v128.load offset=32 (local.get $key)))
            (i32x4.add (local.get $m1) (v128.load offset=48 (local.get $key))))))
          (local.set $sum2 (i64x2.add (local.get $sum2) (call $products
            (i32x4.add (local.get $m0) (v128.load offset=64 (local.get $key)))
            (i32x4.add (local.get $m1) (v128.load offset=80 (local.get $key))))))
          (local.set $sum3 (i64x2.add (local.get $sum3) (call $products
            (i32x4.add (local.get $m0) (v128.load offset=96 (local.get $key)))
            (i32x4.add (local.get $m1) (v128.load offset=112 (local.get $key))))))
          (local.set $key (i32.add (local.get $key) (i32.const 32)))
          (local.set $at (i32.add (local.get $at) (i32.const 32)))
          (br_if $pair (i32.lt_u (local.get $at) (local.get $blockEnd))))
        (local.set $at (local.get $blockEnd))
        (i32.store (local.get $record) (call $squeeze (local.get $sum0) (i32.const 0)))
        (i32.store offset=4 (local.get $record) (call $squeeze (local.get $sum1) (i32.const 24)))
        (i32.store offset=8 (local.get $record) (call $squeeze (local.get $sum2) (i32.const 48)))
        (i32.store offset=12 (local.get $record) (call $squeeze (local.get $sum3) (i32.const 72)))
        (local.set $record (i32.add (local.get $record) (i32.const 18)))
        (local.set $end (i32.add (local.get $end) (i32.const 4)))
        (br $next))))

  ;; Of four pairs of numbers of 32 bits, the products, of 64 bits, in two sums.
  (func $products (param $a v128) (param $b v128) (result v128)
    (i64x2.add
      (i64x2.extmul_low_i32x4_u (local.get $a) (local.get $b))
      (i64x2.extmul_high_i32x4_u (local.get $a) (local.get $b))))

  ;; A sum of 64 bits into 32, by the three coefficients at $offset.
  (func $squeeze (param $sums v128) (param $offset i32) (result i32)
    (local $sum i64) (local $at i32)
    (local.set $sum (i64.add
      (i64x2.extract_lane 0 (local.get $sums)) (i64x2.extract_lane 1 (local.get $sums))))
    (local.set $at (i32.add (global.get $coefficients) (local.get $offset)))
    (i32.wrap_i64 (i64.shr_u
      (i64.add
        (i64.load (local.get $at))
        (i64.add
          (i64.mul (i64.load offset=8 (local.get $at)) (i64.and (local.get $sum) (i64.const 0xffffffff)))
          (i64.mul (i64.load offset=16 (local.get $at)) (i64.shr_u (local.get $sum) (i64.const 32)))))
      (i64.const 32))))

  (func $min (param $a i32) (param $b i32) (result i32)
    (select (local.get $a) (local.get $b) (i32.lt_u (local.get $a) (local.get $b)))))
